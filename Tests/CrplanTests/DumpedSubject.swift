import CREngine
import Glibc
import TestSupport
import Testing

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

    deinit {
        end(Set(tree).union(processTree(of: root)))
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
