import CPlatform
import FoundationEssentials
import Glibc

/// A process of ours between two dumps of a tree: `crplan internal hold-writes`. It keeps the descriptors open by which the
/// kernel notes which pages the tasks write, and ends with the last of these tasks.
///
/// It does nothing else. What is known since when is in a file in memory that it holds too; a dump that uses the notes
/// marks that file as doubtful first, and starts a new holder when it has succeeded. So a dump that dies in between
/// leaves a holder whose notes nobody uses.
package struct WriteHolder: ~Copyable {
    /// What the holder has.
    struct State: Codable, Equatable {
        struct Task: Codable, Equatable {
            var pid: PID
            /// Field 22 of /proc/PID/stat.
            var startTime: UInt64
            /// The userfaultfd, as the holder numbers it.
            var descriptor: Int32
        }
        /// The image set since which writes are noted: the run id in its inventory.
        var base: String
        var tasks: [Task]
    }

    /// `/run/crplan/writes/PID` of the root: where the holder is found.
    private struct Record: Codable {
        var holder: PID
        var startTime: UInt64
        /// The state, as the holder numbers it.
        var descriptor: Int32
    }

    private static let directory = "/run/crplan/writes"
    private static let valid = UInt8(ascii: "V")
    private static let doubtful = UInt8(ascii: "D")

    private let pidfd: OwnedFD
    private let file: OwnedFD
    let state: State
    /// False after a dump has used the notes and not come to its end.
    let isReliable: Bool

    /// The holder of a tree; nil for none that lives.
    static func find(root: PID) -> WriteHolder? {
        guard let record = try? record(root) else { return nil }
        return try? WriteHolder(record)
    }

    /// What was noted of the holder of a tree; nil for nothing.
    private static func record(_ root: PID) throws(Errno) -> Record? {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try OwnedFD.open("\(directory)/\(root)", O_RDONLY | O_NOFOLLOW).readToEnd()
        } catch {
            if error == .noEntry { return nil }
            throw error
        }
        return try? JSONDecoder().decode(Record.self, from: Data(bytes))
    }

    private init(_ record: Record) throws(Errno) {
        let pidfd = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(record.holder.rawValue), 0)))
        // Whoever has the pid now: the pidfd is of the holder only if it began when the holder did.
        guard try ProcessLife.of(record.holder)?.startTime == record.startTime else { throw .noProcess }
        let file = OwnedFD(
            taking: Int32(
                try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), Int(record.descriptor), 0)))
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try file.readAll(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
        }
        guard let mark = bytes[..<count].first,
            let state = try? JSONDecoder().decode(State.self, from: Data(bytes[1..<count]))
        else { throw .invalid }
        self.pidfd = pidfd
        self.file = file
        self.state = state
        isReliable = mark == Self.valid
    }

    /// A copy of a descriptor that it holds.
    borrowing func descriptor(_ task: State.Task) throws(Errno) -> OwnedFD {
        OwnedFD(
            taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), Int(task.descriptor), 0)))
    }

    /// From now on its notes are not to be used by a later dump.
    borrowing func doubt() throws(Errno) {
        let mark = [Self.doubtful]
        try mark.withUnsafeBufferPointer { (buffer) throws(Errno) in
            try file.writeAll(UnsafeRawBufferPointer(buffer), at: 0)
        }
    }

    /// Ends it; another one has taken over.
    consuming func end() {
        _ = cp_syscall(CP_SYS_pidfd_send_signal, Int(pidfd.rawValue), Int(SIGTERM), 0, 0, 0, 0)
    }

    /// Starts a holder of these descriptors, which stay ours too, and notes where it is.
    static func start(root: PID, _ state: State) throws(Errno) {
        let made = "crplan-writes".withCString { name in
            cp_syscall(CP_SYS_memfd_create, Int(bitPattern: name), Int(MFD_CLOEXEC), 0, 0, 0, 0)
        }
        if made < 0 { throw Errno(rawValue: Int32(-made)) }
        let file = OwnedFD(taking: Int32(made))
        guard let data = try? JSONEncoder().encode(state) else { throw .invalid }
        try file.writeAll([valid] + Array(data))
        let kept = state.tasks.map(\.descriptor) + [file.rawValue]
        let holder = try spawn(root, kept, file.rawValue)
        guard let life = try ProcessLife.of(holder) else { throw .noProcess }
        let record = Record(holder: holder, startTime: life.startTime, descriptor: file.rawValue)
        do throws(Errno) {
            try publish(record, root)
        } catch {
            _ = cp_syscall(CP_SYS_kill, Int(holder.rawValue), Int(SIGTERM), 0, 0, 0, 0)
            throw error
        }
    }

    private static func spawn(_ root: PID, _ kept: [Int32], _ file: Int32) throws(Errno) -> PID {
        for descriptor in kept { _ = fcntl(descriptor, F_SETFD, 0) }
        defer { for descriptor in kept { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in 0...2 {
            posix_spawn_file_actions_addopen(&actions, Int32(descriptor), "/dev/null", O_RDWR, 0)
        }
        return try FreshProcess.start(
            "/proc/self/exe", ["crplan", "internal", "hold-writes", "\(root)", "\(file)"], &actions)
    }

    private static func publish(_ record: Record, _ root: PID) throws(Errno) {
        for path in ["/run/crplan", directory] where mkdir(path, path == directory ? 0o700 : 0o755) != 0 {
            if errno != EEXIST { throw Errno(rawValue: errno) }
        }
        guard let data = try? JSONEncoder().encode(record) else { throw .invalid }
        let new = "\(directory)/.\(root)"
        let file = try OwnedFD.open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        try file.writeAll(Array(data))
        if rename(new, "\(directory)/\(root)") != 0 { throw Errno(rawValue: errno) }
    }

    /// What `crplan internal hold-writes` does: nothing, until the last task has ended.
    package static func hold(root: PID, _ descriptor: Int32) throws(Errno) {
        setsid()
        _ = chdir("/")
        let file = OwnedFD(taking: descriptor)
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try file.readAll(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
        }
        guard count > 1, let state = try? JSONDecoder().decode(State.self, from: Data(bytes[1..<count]))
        else { throw .invalid }
        for task in state.tasks {
            let opened = cp_syscall(CP_SYS_pidfd_open, Int(task.pid.rawValue), 0, 0, 0, 0, 0)
            if opened >= 0 {
                let pidfd = OwnedFD(taking: Int32(opened))
                if try ProcessLife.of(task.pid)?.startTime == task.startTime { try wait(pidfd) }
            }
            // Its memory is gone, or another's by an exec that shares nothing with it.
            _ = close(task.descriptor)
        }
        if try record(root)?.holder.rawValue == getpid() { unlink("\(directory)/\(root)") }
    }

    private static func wait(_ pidfd: borrowing OwnedFD) throws(Errno) {
        var poller = pollfd(fd: pidfd.rawValue, events: Int16(POLLIN), revents: 0)
        while true {
            do throws(Errno) {
                try withUnsafeMutablePointer(to: &poller) { (pointer) throws(Errno) -> Void in
                    try systemCall(CP_SYS_poll, Int(bitPattern: pointer), 1, -1)
                }
                return
            } catch {
                if error != .interrupted { throw error }
            }
        }
    }
}
