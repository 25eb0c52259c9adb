import CREngine
import Glibc
import TestSupport
import Testing

/// A sandbox with mounts and a pair to a bridge is cut at every named point of its dump and of its restore, and at system calls
/// that fail: it lives on or is gone with a checkpoint, and neither leaves a mount, link, rule, group, process or file.
///
/// Once it has the host's ids, and once it is in a user namespace that owns all its others.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply && BuiltPrograms.isDebugBuild, "needs root and a debug build"))
struct SandboxFaultTests {
    private static let views = [
        "cat /data/file /tmp/file", "cut -d' ' -f4,5 /proc/self/mountinfo | sort", "ip -o -4 addr show eth0",
        "nft list ruleset",
        "hostname",
    ]

    /// A sandbox, its tree checked by itself.
    private func makeBox(isMapped: Bool) throws -> Box {
        let outside = Box.bridged + "; echo data > ../data/file\n"
        return try Box(
            (isMapped ? ["--user"] : []) + ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"],
            outside: isMapped ? outside + Box.linkingMapped : outside,
            inside: (isMapped ? Box.linkedMapped : Box.linking)
                + "\nnft 'add table inet kept'; hostname boxed\n" + Box.pivoting
                // On a mount from outside.
                + "\nexec 7>deleted; rm deleted",
            subject: ["views"] + Self.views)
    }

    private func allow(_ box: Box) -> String {
        "{ext-mount-map: \(box.pivotedMap()), veth: [{inner: eth0, outer: out0, bridge: br0}]}"
    }

    /// Names in the box's directory that a cut may not add to.
    private func files(_ box: Box) -> Set<String> {
        Set(names(in: box.directory) + names(in: box.place)).subtracting(["points", "tool.log"])
    }

    private func differing(_ now: [String]?, _ before: [String]) -> [String] {
        (now ?? []).difference(from: before).map { change in
            switch change {
            case .insert(_, let line, _): "+ \(line)"
            case .remove(_, let line, _): "- \(line)"
            }
        }
    }

    private func points(_ box: Box, _ words: [String]) throws -> (Command, [String]) {
        let list = box.directory + "/points"
        let whole = try box.run(["/usr/bin/env", "CRPLAN_LIST_POINTS=\(list)", BuiltPrograms.crplan] + words)
        let names = (text(of: list) ?? "").split(separator: "\n").map(String.init)
        unlink(list)
        return (whole, Array(Set(names)).sorted())
    }

    /// All of them, or by a short run some of those that another test tries without a user namespace.
    private func tried(_ points: [String], _ isMapped: Bool) -> [String] {
        if BuiltPrograms.wantsLongTests || !isMapped { return points }
        return points.enumerated().filter { $0.offset % 3 == 1 }.map(\.element)
    }

    @Test(arguments: [false, true])
    func `a dump that is killed at a named point leaves nothing`(_ isMapped: Bool) throws {
        let box = try makeBox(isMapped: isMapped)
        let policy = try box.policy(allow: allow(box))
        let (traces, files) = (try box.traces(), files(box).union(["policy.yaml", "store", "pid"]))
        let first = processTree(of: box.root)
        let (applied, points) = try points(box, ["apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(points.count > 15, "\(points)")
        try bringBack(box, first, "the first dump")
        for point in tried(points, isMapped) {
            _ = try box.policy(allow: allow(box))
            let tree = processTree(of: box.root)
            let before = Fingerprint(root: box.root, hasOwnPIDs: true)
            #expect(try box.kill(at: point, ["apply", policy]), "nobody came to: \(point)")
            try settle(box, tree, before, traces, files, point)
        }
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    /// The tree is as it was, or is brought back from its checkpoint; nothing else is there.
    private func settle(
        _ box: Box, _ tree: [Int32], _ before: Fingerprint, _ traces: [String], _ files: Set<String>,
        _ cut: String
    ) throws {
        if statFields("/proc/\(box.root)/stat").first.map({ $0 != "Z" }) == true {
            var differences: [String] = []
            let isSettled = poll(until: now() + 20) {
                let current = Fingerprint(root: box.root, hasOwnPIDs: true)
                differences = current.held(before: before) + current.differences(from: before)
                return differences.isEmpty
            }
            #expect(isSettled, "\(cut): \(differences)")
        } else {
            try bringBack(box, tree, cut)
        }
        expect(box, traces, files, cut)
    }

    private func expect(_ box: Box, _ traces: [String], _ files: Set<String>, _ cut: String) {
        let isBack = poll(until: now() + 20) { (try? box.traces()) == traces }
        #expect(isBack, "\(cut): \(differing(try? box.traces(), traces))")
        #expect(self.files(box).isSubset(of: files), "\(cut): \(self.files(box).subtracting(files))")
    }

    private func bringBack(_ box: Box, _ tree: [Int32], _ what: String) throws {
        #expect(box.isGone(tree), "\(what): part of the tree is left")
        let back = try box.restore()
        try #require(back.ending == .exit(0), "\(what), and then: \(back.output)")
    }

    /// A sandbox that was taken: its checkpoint, and what is there without it.
    private func takenBox(isMapped: Bool) throws -> (box: Box, newest: String, traces: [String]) {
        let box = try makeBox(isMapped: isMapped)
        let tree = processTree(of: box.root)
        let applied = try box.crplan(["apply", try box.policy(allow: allow(box))])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(box.isGone(tree))
        #expect(
            poll(until: now() + 10) { (try? box.traces())?.contains { $0.hasPrefix("link out0") } == false })
        return (box, try #require(box.newest), try box.traces())
    }

    private func restoring(_ box: Box, _ newest: String) -> [String] {
        ["restore", newest, "-d", "--pidfile", box.directory + "/pid"]
    }

    private func expectBack(_ box: Box) throws {
        let back = try box.restore()
        try #require(back.ending == .exit(0), "\(back.output)")
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    @Test(arguments: [false, true])
    func `a restore that is killed at a named point leaves nothing`(_ isMapped: Bool) throws {
        let (box, newest, traces) = try takenBox(isMapped: isMapped)
        let files = files(box).subtracting(["pid"])
        let (restored, points) = try points(box, restoring(box, newest))
        try #require(restored.ending == .exit(0), "\(restored.output)")
        #expect(points.count > 12, "\(points)")
        for point in tried(points, isMapped) {
            try box.endRestored()
            unlink(box.directory + "/pid")
            expect(box, traces, files, "before \(point)")
            #expect(try box.kill(at: point, restoring(box, newest)), "\(point)")
            expect(box, traces, files, point)
        }
        try expectBack(box)
    }

    /// Calls that are made for namespaces of others, or in them.
    static var failures: [FaultTests.Failure] {
        let own: [FaultTests.Failure] = [
            .init(name: "setns", number: 308, error: ENOMEM),
            .init(name: "socket", number: 41, error: EMFILE),
            .init(name: "sendmsg", number: 46, error: ENOBUFS),
            .init(name: "openat", number: 257, error: EMFILE),
            .init(name: "write", number: 1, error: ENOSPC),
            .init(name: "clone3", number: 435, error: ENOMEM),
        ]
        return BuiltPrograms.wantsLongTests ? own + FaultTests.failures : own
    }

    /// The next call to try; a run of a sandbox makes some thousand of the most frequent ones.
    private func next(after place: Int) -> Int {
        BuiltPrograms.wantsLongTests ? place * 5 / 4 + 1 : place * 3 + 1
    }

    /// Who cannot come back from a namespace ends itself (`NamespaceVisit`), and is undone as if killed.
    private func expectNoSignal(_ run: Command, _ failure: FaultTests.Failure, _ cut: String) {
        guard case .signal(let number) = run.ending, failure.name != "setns" else { return }
        Issue.record("\(cut): signal \(number)")
    }

    /// A dump makes neither task nor messages.
    @Test(arguments: Self.failures.filter { !["clone3", "sendmsg"].contains($0.name) })
    func `a dump in which a call fails leaves nothing`(_ failure: FaultTests.Failure) throws {
        let box = try makeBox(isMapped: true)
        let (traces, files) = (try box.traces(), files(box).union(["policy.yaml", "store", "pid"]))
        var (place, cuts) = (1, 0)
        while true {
            let cut = "\(failure.name) number \(place) failed with \(failure.error)"
            let policy = try box.policy(allow: allow(box))
            let tree = processTree(of: box.root)
            let before = Fingerprint(root: box.root, hasOwnPIDs: true)
            let run = try box.crplan(["apply", policy], failing: failure, at: place)
            expectNoSignal(run, failure, cut)
            try settle(box, tree, before, traces, files, cut)
            if !run.output.contains("was told to fail") { break }
            (cuts, place) = (cuts + 1, next(after: place))
        }
        #expect(cuts > 0, "no such call was made")
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    @Test(arguments: Self.failures)
    func `a restore in which a call fails leaves nothing`(_ failure: FaultTests.Failure) throws {
        let (box, newest, traces) = try takenBox(isMapped: true)
        let files = files(box).union(["pid"])
        var (place, cuts) = (1, 0)
        while true {
            let cut = "\(failure.name) number \(place) failed with \(failure.error)"
            unlink(box.directory + "/pid")
            let run = try box.crplan(restoring(box, newest), failing: failure, at: place)
            expectNoSignal(run, failure, cut)
            if run.ending == .exit(0) { try box.endRestored() }
            expect(box, traces, files, cut)
            if !run.output.contains("was told to fail") { break }
            (cuts, place) = (cuts + 1, next(after: place))
        }
        #expect(cuts > 0, "no such call was made")
        try expectBack(box)
    }
}

extension Box {
    /// Runs crplan with one of its system calls failing.
    fileprivate func crplan(
        _ words: [String], failing failure: FaultTests.Failure, at place: Int
    ) throws -> Command {
        let told = "CRPLAN_FAIL_CALL=\(failure.number)@\(place)@\(failure.error)"
        return try run(["/usr/bin/env", told, BuiltPrograms.crplan] + words)
    }
}
