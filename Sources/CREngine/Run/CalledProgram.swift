import CPlatform
import Glibc

/// A program of the operator that is called and waited for: a hook or an action script.
///
/// It leads a process group of its own, with /dev/null or a file as its input, a pipe to us as its output, no other descriptor of
/// ours, no blocked signal, and the default action for every signal.
struct CalledProgram: Sendable {
    /// How it ended.
    enum End: Equatable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
        /// Not within its time; it was killed with its group.
        case timedOut
        /// We were told to stop; it was killed with its group.
        case cancelled
        case notStarted(Errno)
    }

    /// Path and arguments.
    var words: [String]
    /// Set on top of our own environment.
    var environment: [(name: String, value: String)] = []
    var directory = "/"
    /// A file that it reads as its input; nil for /dev/null.
    var input: Int32?
    /// No more than this of what it prints is passed on, bytes.
    var printLimit = 64 << 10

    /// Waits until the program has ended, the deadline has passed, or `stop` says so: by a descriptor that becomes
    /// readable, or nil for this process's own cancellation. `printed` gets each line.
    ///
    /// What the program leaves behind in its group runs on, unless time was up.
    func run(until deadline: Deadline?, stop: Stop = .cancellation, printed: (String) -> Void) -> End {
        let program: Running
        do throws(Errno) {
            program = try start()
        } catch {
            return .notStarted(error)
        }
        var output = Lines(limit: printLimit)
        var end: End?
        while end == nil {
            var watched = [
                pollfd(fd: program.watch.rawDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: output.isAtEnd ? -1 : program.reader.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&watched, nfds_t(watched.count), CalledProgram.wait(until: deadline))
            output.read(program.reader, printed)
            if watched[0].revents != 0 {
                end = CalledProgram.reap(program.watch.pid)
            } else if watched[2].revents != 0 || stop.isCancelled {
                end = .cancelled
            } else if let deadline, deadline.hasPassed {
                end = .timedOut
            }
        }
        if end == .cancelled || end == .timedOut {
            _ = kill(-program.watch.pid.rawValue, SIGKILL)
            _ = CalledProgram.reap(program.watch.pid)
        }
        output.read(program.reader, printed)
        output.finish(printed)
        return end ?? .cancelled
    }

    /// What tells that the program is to be waited for no longer.
    enum Stop: Sendable {
        /// A signal that asked this process to end; see cp_cancellation_install.
        case cancellation
        /// Something to be read.
        case readable(Int32)
        case never

        var descriptor: Int32 { if case .readable(let fd) = self { fd } else { -1 } }
        var isCancelled: Bool {
            guard case .cancellation = self else { return false }
            // A restore blocks the signals that it must not be ended by.
            return cp_cancellation_signal() != 0 || OwnEnvironment.endingSignal() != nil
        }
    }

    /// Milliseconds; short enough to notice a cancellation.
    private static func wait(until deadline: Deadline?) -> Int32 {
        guard let deadline else { return 100 }
        let now = MonotonicClock.now()
        return deadline.nanoseconds <= now ? 0 : Int32(min(100, (deadline.nanoseconds - now) / 1_000_000 + 1))
    }

    /// The program has ended or was killed, so this waits for no time to speak of.
    private static func reap(_ pid: PID) -> End {
        while true {
            do throws(Errno) {
                switch try Wait.one(pid.leader) {
                case .exited(let code): return .exited(code)
                case .killed(let signal): return .killed(signal: signal)
                default: continue
                }
            } catch {
                // Somebody else took its end.
                return .notStarted(error)
            }
        }
    }

    private struct Running: ~Copyable {
        let reader: OwnedFD
        let watch: PidFD
    }

    private func start() throws(Errno) -> Running {
        var ends: (Int32, Int32) = (0, 0)
        try withUnsafeMutablePointer(to: &ends) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_pipe2, Int(bitPattern: pointer), Int(O_CLOEXEC))
        }
        let reader = OwnedFD(taking: ends.0)
        let writer = OwnedFD(taking: ends.1)
        _ = fcntl(reader.rawValue, F_SETFL, O_NONBLOCK)
        let pid: PID
        do throws(Errno) {
            pid = try spawn(words, output: writer.rawValue)
        } catch {
            // A script without a first line that names its interpreter is the shell's, as execvp(3) has it.
            guard error.rawValue == ENOEXEC else { throw error }
            pid = try spawn(["/bin/sh"] + words, output: writer.rawValue)
        }
        // It is our child, so its number is its own until we take its end.
        let watch = try PidFD.open(pid)
        return Running(reader: reader, watch: watch)
    }

    private func spawn(_ words: [String], output: Int32) throws(Errno) -> PID {
        guard let path = words.first else { throw .invalid }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        // First out of the way of 1 and 2: dup2 onto itself would keep close-on-exec.
        posix_spawn_file_actions_adddup2(&actions, output, 100)
        for number in [1, 2] as [Int32] { posix_spawn_file_actions_adddup2(&actions, 100, number) }
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        posix_spawn_file_actions_addchdir_np(&actions, directory)

        return try FreshProcess.start(path, words, &actions, environment: variables())
    }

    private func variables() -> [String] {
        var all: [String] = []
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            let name = text.prefix { $0 != "=" }
            if !environment.contains(where: { $0.name == name }) { all.append(text) }
            next += 1
        }
        // A zero byte would end the text early.
        return all + environment.map { "\($0.name)=\($0.value.filter { $0 != "\0" })" }
    }
}

/// What a program prints, as lines.
private struct Lines {
    private(set) var isAtEnd = false
    private var rest: [UInt8] = []
    private var left: Int
    private var isCut = false

    init(limit: Int) { left = limit }

    /// Reads what is there.
    mutating func read(_ fd: borrowing OwnedFD, _ line: (String) -> Void) {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while !isAtEnd {
            let count = Glibc.read(fd.rawValue, &chunk, chunk.count)
            if count <= 0 {
                isAtEnd = count == 0 || (errno != EAGAIN && errno != EINTR)
                return
            }
            let taken = min(count, left)
            isCut = isCut || taken < count
            left -= taken
            rest += chunk[..<taken]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                line(String(decoding: rest[..<end], as: UTF8.self))
                rest.removeSubrange(...end)
            }
        }
    }

    mutating func finish(_ line: (String) -> Void) {
        if !rest.isEmpty { line(String(decoding: rest, as: UTF8.self)) }
        if isCut { line("(the rest is left out)") }
        rest = []
    }
}
