import CPlatform
import Glibc

/// Text files of /proc and /sys, read and written whole.
enum ProcText {
    static func read(_ path: String) throws(Errno) -> String {
        let file = try OwnedFD.open(path, O_RDONLY)
        return String(decoding: try file.readToEnd(), as: UTF8.self)
    }

    static func write(_ path: String, _ text: String) throws(Errno) {
        let file = try OwnedFD.open(path, O_WRONLY)
        try file.writeAll(Array(text.utf8))
    }

    /// One field of /proc/PID/stat behind the name, counted as in proc_pid_stat(5) (3 is the state).
    static func statField(_ tid: Int32, _ number: Int) -> Substring? {
        guard let text = try? read("/proc/\(tid)/stat"), let close = text.lastIndex(of: ")") else {
            return nil
        }
        let fields = text[text.index(after: close)...].split(separator: " ")
        return fields.indices.contains(number - 3) ? fields[number - 3] : nil
    }

    /// Value of a line of /proc/PID/status, without the blanks around it.
    static func statusValue(_ text: String, _ key: String) -> Substring? {
        for line in text.split(separator: "\n") where line.hasPrefix(key + ":") {
            return line.dropFirst(key.count + 1).drop { $0 == " " || $0 == "\t" }
        }
        return nil
    }
}
