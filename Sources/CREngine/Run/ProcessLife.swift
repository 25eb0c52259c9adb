import CPlatform
import Glibc

/// Whether a process is there, and which one it is: two facts of /proc/PID/stat. See proc_pid_stat(5).
package struct ProcessLife: Sendable, Equatable {
    /// `R`, `S`, `T`, `t`, `Z`…
    package var state: Character
    /// Clock ticks after boot. A number that is used again has another one.
    package var startTime: UInt64

    /// Nil when there is no such process.
    package static func of(_ pid: PID) throws(Errno) -> ProcessLife? {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try OwnedFD.open("/proc/\(pid)/stat", O_RDONLY).readToEnd()
        } catch {
            if error == .noEntry || error == .noProcess { return nil }
            throw error
        }
        // The name in parentheses may hold anything, so fields count from the last parenthesis.
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let state = fields[0].first,
            let start = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        return ProcessLife(state: Character(Unicode.Scalar(state)), startTime: start)
    }
}
