import CREngine
import Glibc
import TestSupport

/// A program of the tests that goes through `crplan apply` and `crplan restore`, with a directory and a store of its own.
///
/// Its processes are killed and the directory removed when it goes.
struct Workload: ~Copyable {
    /// `run/` inside is the program's working directory.
    let directory: String
    private(set) var root: Int32
    private var known: Set<Int32>
    private let deadline: Double

    var place: String { directory + "/run" }
    var store: String { directory + "/store" }

    /// Makes this process a subreaper: trees that a tool kills or restores become our children, and are reaped by pid.
    init(timeout: Double = 120) throws(Errno) {
        try becomeSubreaper()
        directory = try makeDirectory(in: "/tmp")
        deadline = now() + timeout
        root = 0
        known = []
    }

    deinit {
        end(known.union(root > 0 ? processTree(of: root) : []))
        remove(directory)
    }

    /// Starts the program in `run/`, its output in `run/log`.
    mutating func start(_ words: [String]) throws(Errno) {
        root = try spawn(words, log: place + "/log", directory: place)
        known = [root]
    }

    /// Takes another process than the one that was started for the root: an orphan that it left behind.
    mutating func follow(_ pid: Int32) {
        root = pid
        known.insert(pid)
    }

    /// What a file of the program's directory holds; empty as long as it is not there.
    func contents(_ name: String) -> String { text(of: "\(place)/\(name)") ?? "" }

    /// Waits until the program is where the test wants to interrupt it.
    func await(_ condition: () -> Bool) -> Bool { poll(until: deadline, condition) }

    /// Writes a policy that selects the given processes; its name is `name`.
    func writePolicy(_ name: String, pids: [Int32]) throws(Errno) -> String {
        let path = "\(directory)/\(name).yaml"
        let select = pids.map { "  - pid: \($0)\n" }.joined()
        let policy =
            "version: 1\nname: \(name)\nselect:\n\(select)dump:\n  after: kill\nstore:\n  path: \(store)\n"
        try write(policy, to: path)
        return path
    }

    /// Runs `crplan apply` on a policy of this program alone, and waits until the whole tree is gone.
    mutating func checkpoint(_ name: String, allow: String? = nil) throws(Errno) -> Command {
        let tree = processTree(of: root)
        known.formUnion(tree)
        let policy = try writePolicy(name, pids: [root])
        if let allow { try write((text(of: policy) ?? "") + "allow: \(allow)\n", to: policy) }
        let command = try Command.run([BuiltPrograms.crplan, "apply", policy])
        if command.ending == .exit(0), !reap(tree, session: root, until: now() + 10) { throw .timedOut }
        return command
    }

    /// Directories of the newest checkpoints of a policy, one a target.
    func checkpoints(of policy: String) -> [String] {
        // The policy's history lies beside its targets.
        names(in: "\(store)/\(policy)").map { "\(store)/\(policy)/\($0)/latest" }.filter {
            link(at: $0) != nil
        }
    }

    /// Restores the newest checkpoint of this program.
    mutating func restore(_ name: String) throws(Errno) -> Command {
        guard let newest = checkpoints(of: name).first else { throw .noEntry }
        let command = try Command.run([BuiltPrograms.crplan, "restore", newest])
        known.formUnion(processTree(of: root))
        return command
    }

    /// Waits for the program's own end.
    func ended() -> Ending? { wait(for: root, until: deadline) }
}
