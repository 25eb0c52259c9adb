import CREngine
import Glibc
import TestSupport
import Testing

/// A sandbox with mounts and a pair to a bridge is cut at every named point of its dump and of its restore: it lives on or is
/// gone with a checkpoint, and neither leaves a mount, link, rule, group, process or file.
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
    private func makeBox() throws -> Box {
        try Box(
            ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"],
            outside: Box.bridged + "; echo data > ../data/file",
            inside: Box.linking + "\nnft 'add table inet kept'; hostname boxed\n" + Box.pivoting,
            subject: ["views"] + Self.views)
    }

    private func allow(_ box: Box) -> String {
        "{ext-mount-map: \(box.pivotedMap()), veth: [{inner: eth0, outer: out0, bridge: br0}]}"
    }

    /// Names in the box's directory that a cut may not add to.
    private func files(_ box: Box) -> Set<String> {
        Set(names(in: box.directory) + names(in: box.place)).subtracting(["pid", "points", "tool.log"])
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

    @Test func `a dump that is killed at a named point leaves nothing`() throws {
        let box = try makeBox()
        let policy = try box.policy(allow: allow(box))
        let (traces, files) = (try box.traces(), files(box).union(["policy.yaml", "store"]))
        let first = processTree(of: box.root)
        let (applied, points) = try points(box, ["apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(points.count > 15, "\(points)")
        try bringBack(box, first, "the first dump")
        for point in points {
            _ = try box.policy(allow: allow(box))
            let tree = processTree(of: box.root)
            let before = Fingerprint(root: box.root, hasOwnPIDs: true)
            #expect(try box.kill(at: point, ["apply", policy]), "nobody came to: \(point)")
            if statFields("/proc/\(box.root)/stat").first.map({ $0 != "Z" }) == true {
                var differences: [String] = []
                let isSettled = poll(until: now() + 20) {
                    let current = Fingerprint(root: box.root, hasOwnPIDs: true)
                    differences = current.held() + current.differences(from: before)
                    return differences.isEmpty
                }
                #expect(isSettled, "\(point): \(differences)")
            } else {
                try bringBack(box, tree, point)
            }
            #expect(
                poll(until: now() + 10) { (try? box.traces()) == traces },
                "\(point): \(differing(try? box.traces(), traces))")
            #expect(self.files(box).isSubset(of: files), "\(point): \(self.files(box).subtracting(files))")
        }
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    private func bringBack(_ box: Box, _ tree: [Int32], _ what: String) throws {
        #expect(box.isGone(tree), "\(what): part of the tree is left")
        let back = try box.restore()
        try #require(back.ending == .exit(0), "\(what), and then: \(back.output)")
    }

    @Test func `a restore that is killed at a named point leaves nothing`() throws {
        let box = try makeBox()
        let tree = processTree(of: box.root)
        let applied = try box.crplan(["apply", try box.policy(allow: allow(box))])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(box.isGone(tree))
        #expect(
            poll(until: now() + 10) { (try? box.traces())?.contains { $0.hasPrefix("link out0") } == false })
        let (traces, files) = (try box.traces(), files(box))
        let newest = try #require(box.newest)
        let (restored, points) = try points(
            box, ["restore", newest, "-d", "--pidfile", box.directory + "/pid"])
        try #require(restored.ending == .exit(0), "\(restored.output)")
        #expect(points.count > 12, "\(points)")
        for point in points {
            try box.endRestored()
            #expect(
                poll(until: now() + 10) { (try? box.traces()) == traces },
                "\(point): \(differing(try? box.traces(), traces))")
            unlink(box.directory + "/pid")
            #expect(
                try box.kill(at: point, ["restore", newest, "-d", "--pidfile", box.directory + "/pid"]),
                "\(point)")
            #expect(
                poll(until: now() + 20) { (try? box.traces()) == traces },
                "\(point): \(differing(try? box.traces(), traces))")
            #expect(self.files(box).isSubset(of: files), "\(point): \(self.files(box).subtracting(files))")
        }
        let back = try box.restore()
        try #require(back.ending == .exit(0), "\(back.output)")
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }
}
