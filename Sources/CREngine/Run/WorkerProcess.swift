import CPlatform
import Glibc

/// A process that does one job: request on descriptor 3, reply on 4, everything that it prints into a pipe to us; and,
/// where it is one of a group, the group's socket on 5.
///
/// It leads a process group of its own, so that a Ctrl-C reaches it only through us.
final class WorkerProcess {
    /// How it is started; the first argument is its name.
    struct Program: Sendable {
        var path = "/proc/self/exe"
        var arguments = ["crplan", "internal", "dump-worker"]
    }

    /// How it ended.
    struct End: Sendable {
        var status: WaitStatus
        var reply: [UInt8]
        /// The last of what it printed.
        var printed: String
    }

    let pid: PID
    let replyEnd: OwnedFD
    let printEnd: OwnedFD
    private var reply: [UInt8] = []
    private var printed: [UInt8] = []

    private static let longestReply = 16 << 20
    private static let longestPrint = 16 << 10

    /// Starts the program without a shell. See posix_spawn(3). `seat` is lent.
    init(_ program: Program, request: [UInt8], seat: Int32? = nil) throws(Errno) {
        let requestFile = try WorkerProcess.memoryFile(request)
        let reply = try PipeEnds()
        let printed = try PipeEnds()
        pid = try WorkerProcess.spawn(
            program, [requestFile.rawValue, reply.writer.rawValue, printed.writer.rawValue], seat)
        replyEnd = reply.reader
        printEnd = printed.reader
    }

    /// Sends a signal to it, not to its group: what it starts of itself watches it.
    func signal(_ number: Int32) { _ = kill(pid.rawValue, number) }

    /// Reads what is there. False once both pipes are at their end.
    func collect() -> Bool {
        let replyIsOpen = WorkerProcess.drain(replyEnd, into: &reply)
        let printIsOpen = WorkerProcess.drain(printEnd, into: &printed)
        if printed.count > WorkerProcess.longestPrint {
            printed.removeFirst(printed.count - WorkerProcess.longestPrint)
        }
        if reply.count > WorkerProcess.longestReply { signal(SIGKILL) }
        return replyIsOpen || printIsOpen
    }

    /// Nil while it runs.
    func end() throws(Errno) -> End? {
        guard let status = try Wait.poll(pid.leader), status.isEnd else { return nil }
        _ = collect()
        return End(status: status, reply: reply, printed: String(decoding: printed, as: UTF8.self))
    }

    /// A pipe can be full before anybody reads it; a file in memory cannot.
    private static func memoryFile(_ bytes: [UInt8]) throws(Errno) -> OwnedFD {
        let raw = memfd_create("crplan-request", UInt32(MFD_CLOEXEC))
        if raw < 0 { throw Errno(rawValue: errno) }
        let file = OwnedFD(taking: raw)
        try file.writeAll(bytes)
        if lseek(raw, 0, SEEK_SET) != 0 { throw Errno(rawValue: errno) }
        return file
    }

    private static func drain(_ fd: borrowing OwnedFD, into all: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(fd.rawValue, &chunk, chunk.count)
            if count > 0 {
                all.append(contentsOf: chunk[..<count])
            } else {
                return count < 0 && (errno == EAGAIN || errno == EINTR)
            }
        }
    }

    private static func spawn(_ program: Program, _ descriptors: [Int32], _ seat: Int32?) throws(Errno) -> PID
    {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        // First out of the way of 3 and 4, then into them: dup2 onto itself would keep close-on-exec.
        for (index, descriptor) in (descriptors + (seat.map { [$0] } ?? [])).enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(100 + index))
        }
        for (from, to) in [(100, 3), (101, 4), (102, 1), (102, 2)] as [(Int32, Int32)] {
            posix_spawn_file_actions_adddup2(&actions, from, to)
        }
        if seat != nil { posix_spawn_file_actions_adddup2(&actions, 103, 5) }
        posix_spawn_file_actions_addclosefrom_np(&actions, seat == nil ? 5 : 6)

        return try FreshProcess.start(program.path, program.arguments, &actions)
    }
}

/// A pipe whose reading end never waits; the writing end does.
private struct PipeEnds: ~Copyable {
    let reader: OwnedFD
    let writer: OwnedFD

    init() throws(Errno) {
        var ends: (Int32, Int32) = (0, 0)
        try withUnsafeMutablePointer(to: &ends) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_pipe2, Int(bitPattern: pointer), Int(O_CLOEXEC))
        }
        reader = OwnedFD(taking: ends.0)
        writer = OwnedFD(taking: ends.1)
        _ = fcntl(ends.0, F_SETFL, O_NONBLOCK)
    }
}
