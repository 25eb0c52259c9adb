import Glibc
import TestSupport
import Testing

@testable import CREngine

/// A subject that was dumped into an image directory of its own, and what of it may be left when the value goes.
struct DumpedSubject: ~Copyable {
    let directory: String
    let root: Int32
    /// The processes of the tree when it was dumped.
    let tree: [Int32]

    var images: String { directory + "/images" }
    var place: String { directory + "/run" }

    /// Starts the subject and waits until it is ready.
    init(_ words: [String]) throws {
        try becomeSubreaper()
        let place = try makeDirectory(in: "/tmp")
        let pid = try spawn(
            [BuiltPrograms.subject, "--status", place + "/run/status"] + words, log: place + "/run/log",
            directory: place + "/run")
        _ = poll(until: now() + 60) { text(of: place + "/run/status") == "ready\n" }
        mkdir(place + "/images", 0o700)
        directory = place
        root = pid
        tree = processTree(of: pid)
    }

    borrowing func dump(_ options: [String] = []) throws {
        #expect(text(of: place + "/status") == "ready\n")
        let words = [BuiltPrograms.crplan, "dump", "-t", "\(root)", "-D", images] + options
        let dumped = try Command.run(words)
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
    }

    /// Stops a dump at a point of its work, looks, and kills it there.
    borrowing func killDump(at point: String, _ options: [String], look: () throws -> Void) throws {
        setenv("CRPLAN_STOP_AT", "=\(point)", 1)
        defer { unsetenv("CRPLAN_STOP_AT") }
        let words = [BuiltPrograms.crplan, "dump", "-t", "\(root)", "-D", images]
        let tool = try spawn(words + options, log: directory + "/tool.log", directory: directory)
        var status: Int32 = 0
        let hasStopped = poll(until: now() + 60) { waitpid(tool, &status, WUNTRACED | WNOHANG) == tool }
        #expect(hasStopped && status & 0xff == 0x7f, "no stop at \(point)")
        try look()
        let helpers = processTree(of: tool).filter { $0 != tool }
        #expect(!helpers.isEmpty)
        Glibc.kill(tool, SIGKILL)
        _ = wait(for: tool, until: now() + 30)
        // The supervisor ends when it has undone what it can.
        #expect(reap(helpers, until: now() + 30))
    }

    /// What the subject says of itself when it is asked.
    borrowing func verdict() throws -> String {
        try write("", to: place + "/status.check")
        _ = poll(until: now() + 60) { text(of: place + "/status") != "ready\n" }
        return text(of: place + "/status") ?? "nothing"
    }

    /// Ends of the connections in the images.
    borrowing func connections() throws -> Set<ConnectionLock.Ends> {
        let directory = try OwnedFD.open(images, O_RDONLY | O_DIRECTORY)
        let tree = try ImageSet.read(from: directory)
        return Set(
            tree.files.compactMap { file in
                guard case .inetSocket(let socket) = file.content, socket.isConnection else { return nil }
                return socket.ends
            })
    }

    deinit {
        let all = Set(tree).union(processTree(of: root))
        end(all)
        removeSystemV(of: all)
        remove(directory)
    }

    /// Waits until nothing of a tree that was killed is left, so that its ids are free.
    func reapAll() -> Bool { reap(tree, until: now() + 30) }

    func restore(_ options: [String] = []) throws(Errno) -> Command {
        try Command.run([BuiltPrograms.crplan, "restore", "-D", images, "-d"] + options)
    }

    /// Processes whose program lies where the subject's does and which belong to this tree.
    var alive: [Int32] { tree.filter { !["Z", nil].contains(statFields("/proc/\($0)/stat").first) } }
}
