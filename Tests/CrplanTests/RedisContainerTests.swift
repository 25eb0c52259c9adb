import CREngine
import Glibc
import TestSupport
import Testing

/// A Redis server in a container, whose data directory is from outside and another one after the restore.
@Suite(
    .serialized,
    .enabled(
        if: BuiltPrograms.canApply && Service.programs != nil,
        "needs root, a crplan that has apply and restore, and CRPLAN_PROGRAMS (scripts/get-programs)"))
struct RedisContainerTests {
    private static let options =
        "--bind 10.66.0.2 --protected-mode no --dir /data --appendonly yes --logfile /data/log"

    private func ask(_ box: Box, _ words: String) throws -> String {
        trimmed(try box.run(["/bin/sh", "-c", "\(Service.path("redis-cli")) -h 10.66.0.2 \(words)"]).output)
    }

    @Test func `redis finds its data in a directory that is elsewhere at the restore`() throws {
        let programs = Service.programs ?? ""
        let inside =
            Box.linking + "\n"
            + Box.pivoting.replacing(
                "pivot_root", with: "mkdir -p .\(programs); mount --bind \(programs) .\(programs); pivot_root"
            )
        let box = try Box(
            ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"], outside: Box.bridged, inside: inside,
            program: "\(Service.path("redis-server")) \(Self.options)"
        ) { text(of: $0 + "/../data/log")?.contains("Ready to accept connections") == true }
        let before = try box.traces()
        #expect(try ask(box, "set before 1") == "OK")
        #expect(try ask(box, "rpush list a b c") == "3")

        let map = box.pivotedMap(data: "other").dropLast() + ", \(programs): \(programs)}"
        let policy = try box.policy(
            allow: "{ext-mount-map: \(map), veth: [{inner: eth0, outer: out0, bridge: br0}]}")
        // Nothing is mapped without being said: each is a finding, the data among them.
        let denied = try box.plan(try box.policy(allow: "{}"))
        let data = try #require(
            denied.findings.first {
                $0.severity == .block && $0.code.rawValue == "CRP360" && $0.what.contains(" at /data ")
            }, "\(denied.text)")
        #expect(data.remedy?.contains("ext-mount-map: {/data: \(box.directory)/data}") == true, "\(data)")
        _ = try box.policy(
            allow: "{ext-mount-map: \(map), veth: [{inner: eth0, outer: out0, bridge: br0}]}")
        #expect(try box.plan(policy).isReady)
        let tree = processTree(of: box.root)
        let applied = try box.crplan(["apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(box.isGone(tree))
        #expect(rename(box.directory + "/data", box.directory + "/other") == 0)

        let restored = try box.restore()
        try #require(restored.ending == .exit(0), "\(restored.output)")
        #expect(try ask(box, "get before") == "1")
        #expect(try ask(box, "lrange list 0 -1") == "a\nb\nc")
        #expect(try ask(box, "set after 2") == "OK")
        #expect(try ask(box, "save") == "OK")
        let files = names(in: box.directory + "/other")
        #expect(files.contains("dump.rdb") && names(in: box.directory + "/data").isEmpty, "\(files)")
        #expect(try box.traces() == before)

        let running = processTree(of: box.root)
        end(running)
        #expect(
            poll(until: now() + 10) { (try? box.traces())?.contains { $0.hasPrefix("link out0") } == false })
        #expect(try box.traces() == before.filter { !$0.hasPrefix("link out0") })
    }
}
