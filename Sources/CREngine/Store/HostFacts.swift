import CPlatform
import FoundationEssentials
import Glibc

/// What of a machine decides whether an image fits it.
package struct HostFacts: Codable, Sendable, Equatable {
    package var name: String
    /// `uname -r`.
    package var kernelRelease: String
    /// `uname -v`.
    package var kernelVersion: String
    /// `x86_64`.
    package var machine: String
    package var cpuModel: String
    /// As /proc/cpuinfo names them, sorted.
    package var cpuFeatures: [String]
    /// Version of the C library that crplan runs with, `2.36`.
    package var libc: String

    /// Reads uname(2) and /proc/cpuinfo.
    package static func collect() -> HostFacts {
        var name = utsname()
        uname(&name)
        let processor = firstProcessor()
        return HostFacts(
            name: text(of: name.nodename), kernelRelease: text(of: name.release),
            kernelVersion: text(of: name.version), machine: text(of: name.machine),
            cpuModel: processor["model name"] ?? "unknown",
            cpuFeatures: (processor["flags"] ?? "").split(separator: " ").map(String.init).sorted(),
            libc: String(cString: gnu_get_libc_version()))
    }

    private static func text<Tuple>(of tuple: Tuple) -> String {
        withUnsafeBytes(of: tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The lines of the first processor in /proc/cpuinfo; empty where it cannot be read.
    private static func firstProcessor() -> [String: String] {
        guard let bytes = try? OwnedFD.open("/proc/cpuinfo", O_RDONLY).readToEnd() else { return [:] }
        var facts: [String: String] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            if line.isEmpty { break }
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            facts[trimmed(parts[0])] = trimmed(parts[1])
        }
        return facts
    }

    private static func trimmed(_ text: Substring) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        let front = text.drop(while: isBlank)
        guard let last = front.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(front[...last])
    }
}
