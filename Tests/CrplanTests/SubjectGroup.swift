import CREngine
import Glibc
import TestSupport

/// Several subjects at once, each in a directory of its own, with one store for all. Killed and removed when it goes.
struct SubjectGroup: ~Copyable {
    struct Member {
        let name: String
        let root: Int32
        let directory: String

        var status: String { text(of: directory + "/status") ?? "" }
    }

    let directory: String
    private(set) var members: [Member] = []
    private let deadline: Double

    var store: String { directory + "/store" }

    init(timeout: Double = 120) throws(Errno) {
        try becomeSubreaper()
        directory = try makeDirectory(in: "/tmp")
        deadline = now() + timeout
    }

    deinit {
        end(members.flatMap { processTree(of: $0.root) })
        remove(directory)
    }

    /// Starts a subject by its words, `eintr poll`, or any program with `program`.
    mutating func start(_ name: String, program: [String]? = nil) throws(Errno) {
        let place = "\(directory)/run/\(members.count)"
        mkdir(place, 0o777)
        let subject =
            [BuiltPrograms.subject, "--status", place + "/status"]
            + name.split(separator: " ").map(String.init)
        let root = try spawn(program ?? subject, log: place + "/log", directory: place)
        members.append(Member(name: name, root: root, directory: place))
    }

    func await(_ condition: () -> Bool) -> Bool { poll(until: deadline, condition) }

    /// Waits until every subject has set up what it is to keep; names those that have not.
    func laggards() -> [String] {
        let members = members
        _ = self.await { members.allSatisfy { $0.status != "" } }
        return members.filter { $0.status != "ready\n" }.map { "\($0.name): \($0.status)" }
    }

    /// A policy that leaves the given processes running; `more` are further lines.
    func policy(_ name: String, pids: [Int32], _ more: String = "", dump: String = "") throws(Errno) -> String
    {
        let path = "\(directory)/\(name).yaml"
        let select = pids.map { "  - pid: \($0)\n" }.joined()
        try write(
            """
            version: 1
            name: \(name)
            max-targets: 1000
            select:
            \(select)dump:
              after: leave-running
              filesystem: unsafe-ignore
            \(dump)store:
              path: \(store)
            \(more)
            """, to: path)
        return path
    }

    /// Asks every subject for its verdict; gives those that found something.
    func verdicts() -> [String] {
        let members = members
        for member in members { try? write("", to: member.directory + "/status.check") }
        _ = self.await { members.allSatisfy { $0.status != "ready\n" } }
        return members.filter { $0.status != "pass\n" }.map { "\($0.name): \($0.status)" }
    }
}
