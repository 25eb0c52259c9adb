import Glibc

/// Signal sets of /proc/PID/status that decide how an interrupted call goes on.
enum SignalSets {
    /// Signals with a handler, bit n-1 is signal n; none where the process is gone.
    static func caught(_ pid: PID) -> UInt64 {
        guard let file = try? OwnedFD.open("/proc/\(pid)/status", O_RDONLY), let bytes = try? file.readToEnd()
        else {
            return 0
        }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("SigCgt:") {
            let digits = line.dropFirst("SigCgt:".count).drop { $0 == " " || $0 == "\t" }
            return UInt64(digits, radix: 16) ?? 0
        }
        return 0
    }
}
