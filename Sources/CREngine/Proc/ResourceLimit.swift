/// One resource limit; all ones is no limit. See getrlimit(2).
package struct ResourceLimit: Equatable, Sendable {
    package var soft: UInt64
    package var hard: UInt64

    /// Names of /proc/PID/limits in the order of the RLIMIT_* numbers; fs/proc/base.c, lnames.
    private static let names = [
        "Max cpu time", "Max file size", "Max data size", "Max stack size", "Max core file size",
        "Max resident set", "Max processes", "Max open files", "Max locked memory", "Max address space",
        "Max file locks", "Max pending signals", "Max msgqueue size", "Max nice priority",
        "Max realtime priority", "Max realtime timeout",
    ]

    /// 16 limits by RLIMIT_* number, in the units of setrlimit(2).
    package static func parse(_ bytes: [UInt8]) throws(ProcFormatError) -> [ResourceLimit] {
        let lines = bytes.lines.map(\.text)
        var limits: [ResourceLimit] = []
        for name in names {
            guard let line = lines.first(where: { $0.hasPrefix(name) }) else {
                throw ProcFormatError(file: "limits", detail: "no line \"\(name)\"")
            }
            let words = line.dropFirst(name.count).split(separator: " ")
            guard words.count >= 2, let soft = value(words[0]), let hard = value(words[1]) else {
                throw ProcFormatError(file: "limits", detail: line)
            }
            limits.append(ResourceLimit(soft: soft, hard: hard))
        }
        return limits
    }

    private static func value(_ word: Substring) -> UInt64? {
        word == "unlimited" ? .max : UInt64(word)
    }
}
