import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Connections that rules of iptables hold: the rules belong to nobody, so each way out must take them along.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"),
    .enabled(if: access("/usr/sbin/ip6tables-restore", X_OK) == 0, "needs iptables"))
struct IPTablesLockTests {
    private static let options = ["--tcp-established", "--network-lock", "iptables"]

    /// Ends of connections that any rules hold now.
    private func held() throws -> Set<ConnectionLock.Ends> {
        var all: Set<ConnectionLock.Ends> = []
        for program in ["iptables", "ip6tables"] {
            let listed = try Command.run(["/usr/sbin/\(program)", "-w", "5", "-S", "INPUT"]).output
            for line in listed.split(separator: "\n") {
                guard let rule = IPTablesRule(listing: String(line)) else { continue }
                all.insert(ConnectionLock.Ends(local: rule.to, remote: rule.from))
            }
        }
        return all
    }

    private func dumped(_ kind: String) throws -> DumpedSubject {
        let subject = try DumpedSubject(["tcp", kind])
        try subject.dump(Self.options)
        let isGone = subject.reapAll()
        try #require(isGone)
        return subject
    }

    @Test(arguments: ["orphan", "six", "mapped"])
    func `rules stay until the restore and go with it`(_ kind: String) throws {
        let before = try held()
        let subject = try dumped(kind)
        let connections = try subject.connections()
        #expect(!connections.isEmpty)
        #expect(try held() == before.union(connections))
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try held() == before)
        #expect(try subject.verdict() == "pass\n")
    }

    @Test func `a dump that leaves its tree running leaves no rules`() throws {
        let before = try held()
        let subject = try DumpedSubject(["tcp", "options"])
        try subject.dump(Self.options + ["-R"])
        #expect(try held() == before)
        #expect(try subject.verdict() == "pass\n")
    }

    @Test func `a rule that is gone is told with the way out`() throws {
        let subject = try dumped("orphan")
        let connections = try subject.connections()
        let line = IPTablesRule.both(try #require(connections.first))[1].words
        let words = "-w 5 -D \(line)".split(separator: " ").map(String.init)
        #expect(try Command.run(["/usr/sbin/iptables"] + words).ending == .exit(0))
        let refused = try subject.restore()
        #expect(refused.ending == .exit(1))
        #expect(
            refused.output.contains("is not locked any more (its rules of iptables are gone)")
                && refused.output.contains("--tcp-close"), "\(refused.output)")
        #expect(subject.alive == [])
        let closed = try subject.restore(["--tcp-close"])
        #expect(closed.ending == .exit(0), "\(closed.output)")
        // What was left of the lock went, too.
        #expect(try held().isDisjoint(with: connections))
    }

    @Test(arguments: [
        ("locked", ["-R"]), ("in repair", ["-R"]), ("lock stays", []), ("all in repair", []),
    ])
    func `a dump that dies gives its connections back`(_ place: String, _ options: [String]) throws {
        let before = try held()
        let subject = try DumpedSubject(["tcp", "options"])
        try subject.killDump(at: place, Self.options + options) {
            let rules = try held()
            #expect(rules.count > before.count)
        }
        #expect(try held() == before)
        #expect(try subject.verdict() == "pass\n")
    }

    @Test func `a dump that dies at the kill keeps its rules, and its images restore`() throws {
        let before = try held()
        let subject = try DumpedSubject(["tcp", "orphan"])
        try subject.killDump(at: "before the kill", Self.options) {}
        let isGone = subject.reapAll()
        try #require(isGone)
        #expect(try held() == before.union(subject.connections()))
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try held() == before)
        #expect(try subject.verdict() == "pass\n")
    }

    private func policy(_ subject: borrowing DumpedSubject, _ more: String) throws -> String {
        let file = subject.directory + "/rules.yaml"
        try write(
            """
            version: 1
            name: rules
            select: [{pid: \(subject.root)}]
            allow: {tcp-established: true}
            dump: {network-lock: iptables}
            store: {path: \(subject.directory)/store}
            \(more)

            """, to: file)
        return file
    }

    @Test func `rules of a policy's checkpoint are shown, given up, and pruned`() throws {
        let before = try held()
        let subject = try DumpedSubject(["tcp", "orphan"])
        let store = subject.directory + "/store"
        let file = try policy(subject, "retention: {keep-last: 1}")
        let applied = try Command.run([BuiltPrograms.crplan, "apply", file])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        let isGone = subject.reapAll()
        try #require(isGone)
        func crplan(_ words: String...) throws -> String {
            try Command.run([BuiltPrograms.crplan] + words + ["--store", store]).output
        }
        #expect(try crplan("list").contains("1 connection locked"))
        #expect(try crplan("unlock", "rules").hasPrefix("unlocked 1 connection of rules/"))
        #expect(try held() == before)
        #expect(try crplan("unlock", "rules").contains("is not locked any more"))
        #expect(try !crplan("list").contains("locked"))

        // Locked again, as of an older one that is too much.
        let checkpoint = try #require(Store(path: store).checkpoints().first)
        let ends = try #require(try checkpoint.manifest().networkLock?.connections.first)
        let parts = ends.split(separator: " ")
        let connection = ConnectionLock.Ends(
            local: try #require(InetEndpoint(parts[0])), remote: try #require(InetEndpoint(parts[2])))
        try IPTables.add([connection])
        let older = "2020-01-01T00:00:00Z-" + "\(checkpoint.name)".suffix(4)
        let copied = try Command.run([
            "/bin/cp", "-a", checkpoint.path, "\(store)/rules/\(checkpoint.target)/\(older)",
        ])
        #expect(copied.ending == .exit(0))
        let pruned = try Command.run([BuiltPrograms.crplan, "prune", file])
        #expect(pruned.ending == .exit(0), "\(pruned.output)")
        #expect(try Store(path: store).checkpoints() == [checkpoint])
        #expect(try held() == before)
    }

    @Test func `without the program a plan blocks and a dump is refused in one line`() throws {
        try becomeSubreaper()
        let place = try makeDirectory(in: "/tmp")
        defer { remove(place) }
        // All of it in a mount namespace of its own, in which nothing but the program differs.
        let script = """
            mount --bind /dev/null /usr/sbin/xtables-nft-multi || exit 9
            crplan=$1 subject=$2
            setsid "$subject" --status status tcp orphan &
            for (( i = 0; i < 3000; i++ )); do [ "$(cat status 2>/dev/null)" = ready ] && break; sleep 0.01; done
            mkdir images
            "$crplan" dump -t $! -D images -v1 --tcp-established --network-lock iptables && exit 8
            cat >policy.yaml <<EOF
            version: 1
            name: rules
            select: [{pid: $!}]
            allow: {tcp-established: true}
            dump: {network-lock: iptables}
            store: {path: $PWD/store}
            EOF
            "$crplan" plan policy.yaml
            [ $? = 3 ] || exit 7
            : >status.check
            wait $!
            """
        let run = try Command.run(
            [
                "/usr/bin/unshare", "-m", "/bin/bash", "-c", script, "-", BuiltPrograms.crplan,
                BuiltPrograms.subject,
            ],
            in: place)
        #expect(run.ending == .exit(0), "\(run.output)")
        #expect(text(of: place + "/status") == "pass\n")
        #expect(run.output.contains("CRP232 iptables is not installed"), "\(run.output)")
        let refusal =
            "connections cannot be locked by iptables: iptables is not installed; install iptables, or use"
        #expect(run.output.contains(refusal), "\(run.output)")
    }
}
