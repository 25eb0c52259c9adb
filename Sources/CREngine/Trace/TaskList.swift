import CPlatform
import Glibc

/// The few facts of /proc that the freeze itself needs, read as plainly as can be.
package enum TaskList {
    /// Thread ids of a process, the leader first where it is there. Empty when the process is gone.
    package static func threads(of pid: PID) -> [TID] {
        numbers(inDirectory: "/proc/\(pid)/task").map { TID($0) }.sorted {
            ($0 == pid.leader ? 0 : 1, $0) < ($1 == pid.leader ? 0 : 1, $1)
        }
    }

    /// Children of one thread. Complete only while the thread's children cannot change: proc_pid_children(5).
    package static func children(of pid: PID, thread: TID) -> [PID] {
        guard let bytes = bytes("/proc/\(pid)/task/\(thread)/children") else { return [] }
        return bytes[...].words.compactMap { $0.decimal.flatMap { Int32(exactly: $0) } }.map { PID($0) }
    }

    /// State letter, parent, processor and start time of /proc/PID/task/TID/stat. Nil when the thread is gone.
    package static func stat(_ pid: PID, _ tid: TID) -> (
        state: Character, parent: PID, startTime: UInt64, cpu: Int
    )? {
        guard let bytes = bytes("/proc/\(pid)/task/\(tid)/stat"),
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let fields = bytes[(end + 1)...].words
        guard fields.count > 36, let letter = fields[0].first,
            let parent = fields[1].decimal.flatMap({ Int32(exactly: $0) }), let start = fields[19].decimal,
            let cpu = fields[36].decimal
        else { return nil }
        return (Character(Unicode.Scalar(letter)), PID(parent), start, Int(cpu))
    }

    /// Where a thread sleeps in the kernel: the text of /proc/PID/task/TID/wchan, "0" while it runs.
    package static func sleepingIn(_ pid: PID, _ tid: TID) -> String {
        text("/proc/\(pid)/task/\(tid)/wchan") ?? "gone"
    }

    /// The system call a thread is in, from /proc/PID/task/TID/syscall; nil while it runs in user mode.
    package static func systemCall(_ pid: PID, _ tid: TID) -> UInt64? {
        bytes("/proc/\(pid)/task/\(tid)/syscall")?[...].words.first?.decimal
    }

    /// The system call that a thread sleeps in, with its arguments; nil while it runs.
    static func call(_ pid: PID, _ tid: TID) -> (number: UInt64, arguments: [UInt64])? {
        let fields = (text("/proc/\(pid)/task/\(tid)/syscall") ?? "").split(separator: " ")
        guard let number = fields.first.flatMap({ UInt64($0) }) else { return nil }
        return (number, fields.dropFirst().prefix(6).compactMap { UInt64($0.dropFirst(2), radix: 16) })
    }

    /// Stack pointer and instruction pointer of a stopped thread, from /proc/PID/task/TID/syscall. Nil while it runs.
    static func stackAndCode(_ pid: PID, _ tid: TID) -> (stack: UInt64, code: UInt64)? {
        let fields = (text("/proc/\(pid)/task/\(tid)/syscall") ?? "").split(separator: " ").suffix(2)
        let values = fields.compactMap { $0.hasPrefix("0x") ? UInt64($0.dropFirst(2), radix: 16) : nil }
        return values.count == 2 ? (values[0], values[1]) : nil
    }

    /// The process that traces a thread, 0 for none. Nil when the thread is gone.
    static func tracer(_ pid: PID, _ tid: TID) -> PID? {
        guard let text = text("/proc/\(pid)/task/\(tid)/status"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("TracerPid:") }),
            let number = line.split(separator: "\t").last.flatMap({ Int32($0) })
        else { return nil }
        return PID(number)
    }

    private static func bytes(_ path: String) -> [UInt8]? {
        guard let file = try? OwnedFD.open(path, O_RDONLY) else { return nil }
        return try? file.readToEnd()
    }

    private static func text(_ path: String) -> String? {
        guard let bytes = bytes(path) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    private static func numbers(inDirectory path: String) -> [Int32] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var found: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let number = Int32(name) { found.append(number) }
        }
        return found
    }
}
