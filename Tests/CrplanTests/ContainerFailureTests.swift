import Glibc
import TestSupport
import Testing

@testable import CREngine

/// What makes dumps of containers fail, as users report it of CRIU: each is told before the freeze, with the object, whose
/// it is, and what lets it pass; with that all goes well. What nothing allows is lost by a dump past the planner.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct ContainerFailureTests {
    struct Row: Sendable, CustomTestStringConvertible {
        /// As the user of CRIU reads it, or what it is about.
        let message: String
        /// Options of unshare(1).
        var kinds = ["--mount"]
        /// Run where crplan works.
        var outside = ""
        /// Run as the root of the tree.
        var inside = ""
        /// Words of the subject.
        let subject: [String]
        let code: String
        /// What of the finding names the object.
        let object: String
        /// The key that the finding names, and a policy's `allow` with it; nil where nothing allows it.
        var key = ""
        var allow: String?
        /// What the finding tells an operator to do inside the namespaces, where that makes the tree ready.
        var mending: String?
        /// Run before the restore, where crplan works, and the restore's own options.
        var meanwhile = ""
        var options: [String] = []

        var testDescription: String { "\(message): \(code)" }
        /// What the mounts of this host need, as all are in a copied namespace.
        static let base = "{external: [\"mnt[]\"]}"
    }

    private static func map(_ name: String) -> String {
        "{external: [\"mnt[]\"], ext-mount-map: {$D/run/\(name): $D/run/given}}"
    }
    private static let given = "mkdir given; echo hello > given/file"
    /// The bind mount at `part`, as a file in it reads, and where it is.
    private static let part = ["views", "cat part/file; grep -c ' /tmp/[^ ]*/part ' /proc/self/mountinfo"]

    static let mounts = [
        Row(
            message: "doesn't have a proper root mount", outside: given,
            inside: """
                mkdir t part; mount -t tmpfs t t; mkdir t/in; echo hello > t/in/file
                mount --bind t/in part; umount t
                """, subject: part, code: "CRP363", object: "/run/part (tmpfs /in)", key: "ext-mount-map",
            allow: map("part")),
        Row(
            message: "has unreachable sharing",
            outside: """
                unshare --mount --propagation private sh -ec '
                    mkdir s; mount -t tmpfs s s; mount --make-shared s; echo in > s/file
                    echo $$ > third; exec sleep 600' &
                while [ ! -s third ]; do sleep 0.01; done
                """,
            inside: """
                exec nsenter --mount=/proc/$(cat third)/ns/mnt unshare --mount --propagation slave env -C $PWD "$@"
                """,
            subject: ["views", "cat s/file"], code: "CRP365", object: "/run/s (tmpfs /), master:",
            mending: "mount --make-private $D/run/s"),
        Row(
            message: "--enable-external-masters", kinds: ["--mount", "--propagation", "slave"],
            outside: "mkdir s; mount -t tmpfs s s; mount --make-shared s; echo in > s/file",
            subject: [
                "views", "cat s/file; sed -n 's/.*\\(.run.s .*master\\):.*/\\1/p' /proc/self/mountinfo",
            ],
            code: "CRP366", object: "/run/s (tmpfs /), master:", key: "external",
            allow: "{external: [\"mnt[]:m\"]}"),
        Row(
            message: "--enable-external-sharing", kinds: ["--mount", "--propagation", "unchanged"],
            outside: "mkdir s; mount -t tmpfs s s; mount --make-shared s; echo in > s/file",
            subject: [
                "views", "cat s/file; sed -n 's/.*\\(.run.s .*shared\\):.*/\\1/p' /proc/self/mountinfo",
            ],
            code: "CRP367", object: "/run/s (tmpfs /), shared:", key: "external",
            allow: "{external: [\"mnt[]:s\"]}"),
        Row(
            message: "FS mnt … autofs unsupported", outside: "mkdir given; echo hello > given/file",
            inside: """
                mkdir part; python3 -c '
                import ctypes, os
                r, w = os.pipe()
                text = f"fd={w},pgrp={os.getpgrp()},minproto=5,maxproto=5,indirect".encode()
                assert ctypes.CDLL(None).mount(b"a", b"part", b"autofs", 0, text) == 0'
                """, subject: ["views", "test -d part && echo there"], code: "CRP362",
            object: "/run/part (autofs /)", key: "ext-mount-map", allow: map("part")),
        Row(
            message: "Can't lookup mount=… path=… (deleted)", outside: "mkdir given; mkdir gone part",
            inside: "mount --bind gone part; rmdir gone",
            subject: ["views", "grep -c ' /tmp/[^ ]*/part ' /proc/self/mountinfo"], code: "CRP364",
            object: "/run/part (ext4 /tmp", key: "ext-mount-map", allow: map("part")),
        Row(
            message: "FS mnt … unsupported id", inside: "mkdir part; mount -t ramfs r part",
            subject: ["views", "grep -o '/part .* ramfs r ' /proc/self/mountinfo | sed 's/.* - //'"],
            code: "CRP361", object: "/run/part (ramfs /)", key: "external",
            allow: "{external: [\"mnt[]\", \"enable-fs[ramfs]\"]}"),
        Row(
            message: "a device that only the container has mounted",
            outside: "truncate -s 4M disk; mkfs.ext4 -q disk; mkdir given",
            inside: "mkdir part; mount -o loop disk part; echo in > part/file",
            subject: part, code: "CRP360", object: "/run/part (ext4 /)", key: "ext-mount-map",
            allow: map("part"), meanwhile: "mount -o loop disk given"),
        Row(
            message: "files in memory of the host",
            outside: "mkdir s; mount -t tmpfs s s; echo in > s/file",
            subject: ["views", "cat s/file"], code: "CRP368", object: "/run/s (tmpfs /)",
            key: "ext-mount-map",
            allow: "{ext-mount-map: auto}"),
        Row(
            message: "a message queue that notifies by a thread", kinds: ["--mount", "--ipc"],
            subject: ["mqueues", "thread"], code: "CRP111",
            object: "message queue /bell of the tree's ipc namespace"),
        Row(
            message: "The root is covered", inside: "mount -t tmpfs over /", subject: ["views", "uname"],
            code: "CRP370", object: "at / (tmpfs /)"),
    ]

    static let network = [
        Row(
            message: "the other end of a pair is in a third namespace", kinds: ["--net"],
            outside: """
                unshare --net sh -ec 'echo $$ > third; exec sleep 600' &
                while [ ! -s third ]; do sleep 0.01; done
                """,
            inside: """
                ip link add eth0 type veth peer name far netns /proc/$(cat third)/ns/net
                ip addr add 10.7.0.1/24 dev eth0; ip link set eth0 up
                """, subject: ["views", "ip -o -4 addr show eth0"], code: "CRP342", object: "veth eth0",
            key: "veth", allow: "{veth: [{inner: eth0, outer: out7}]}"),
        Row(
            message: "a macvlan on a link of the host", kinds: ["--net"],
            outside: "ip link add low type bridge; ip link set low up",
            inside: """
                nsenter --net=/proc/$HOME_PID/ns/net ip link add link low name mac0 netns $$ type macvlan mode bridge
                ip addr add 10.7.0.1/24 dev mac0; ip link set mac0 up
                """,
            subject: [
                "views", "ip -o -4 addr show mac0; ip -d link show mac0 | grep -o 'macvlan mode [a-z]*'",
            ],
            code: "CRP343", object: "macvlan mac0", key: "external",
            allow: "{external: [\"macvlan[mac0]:low\"]}"),
        Row(
            message: "Unsupported link", kinds: ["--net"],
            inside: """
                ip link add eth5 type ifb; ip addr add 10.7.0.1/24 dev eth5; ip link set eth5 up
                """, subject: ["views", "ip -o -4 addr show eth5"], code: "CRP340",
            object: "link eth5 of kind ifb",
            key: "external", allow: "{external: [\"netdev[eth5]:spare\"]}",
            meanwhile: "ip link add spare type ifb"),
        Row(
            message: "a nexthop object", kinds: ["--net"],
            inside: "ip link set lo up; ip nexthop add id 5 blackhole",
            subject: ["views", "ip nexthop"], code: "CRP344", object: "a nexthop object"),
    ]

    static let namespaces = [
        Row(
            message: "a pid namespace for children to come", kinds: ["--uts"], subject: ["unborn"],
            code: "CRP308", object: "pid namespace without an init")
    ]

    @Test(arguments: mounts + network + namespaces)
    func `what makes dumps of containers fail is foretold, with what lets it pass`(_ row: Row) throws {
        let box = try Box(row.kinds, outside: row.outside, inside: row.inside, subject: row.subject)
        let tree = processTree(of: box.root)
        let isOfMounts = row.kinds.contains("--mount")
        let base = row.code == "CRP368" || !isOfMounts ? "{}" : Row.base
        let denied = try box.plan(try box.policy(allow: base))
        #expect(!denied.isReady)
        let finding = try #require(
            denied.findings.first {
                $0.severity == .block && $0.code.rawValue == row.code && $0.what.contains(row.object)
            }, "\(denied.text)")
        #expect(tree.contains(finding.object.pid?.rawValue ?? 0))
        #expect(!finding.why.isEmpty)
        // Long lines are broken at blanks.
        let text = denied.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for part in [row.code, row.object] { #expect(text.contains(part), "\(denied.text)") }
        let refused = try box.crplan(["apply", box.directory + "/policy.yaml"])
        #expect(refused.ending == .exit(3), "\(refused.output)")
        if let mending = row.mending {
            #expect(finding.why.contains("mount --make-private"), "\(finding.why)")
            try box.expect("nsenter --mount=/proc/\(box.root)/ns/mnt \(mending)")
        } else if row.key.isEmpty {
            #expect(finding.remedy == nil)
            try expectLoss(box, base, tree)
            return
        } else {
            let remedy = try #require(finding.remedy)
            #expect(
                remedy.hasPrefix("allow: {") && remedy.contains(row.key) && text.contains(row.key),
                "\(remedy) in \(denied.text)")
        }

        let allow = row.allow?.replacing("$D", with: box.directory) ?? base
        let ready = try box.plan(try box.policy(allow: allow))
        #expect(ready.isReady, "\(ready.text)")
        let applied = try box.crplan(["apply", box.directory + "/policy.yaml"])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(box.isGone(tree))
        if !row.meanwhile.isEmpty { try box.expect(row.meanwhile) }
        let restored = try box.restore(row.options)
        try #require(restored.ending == .exit(0), "\(restored.output)")
        let verdict = try box.verdict()
        #expect(verdict.ending == .exit(0) && verdict.says == "pass\n", "\(verdict)")
    }

    /// Past the planner the tree is refused all the same and lives on, or something is lost.
    private func expectLoss(_ box: Box, _ allow: String, _ tree: [Int32]) throws {
        let images = try makeDirectory(in: box.directory)
        let dumped = try box.run([
            BuiltPrograms.subjectRunner, "past-planner", allow, "dump", "-t", "\(box.root)", "-D", images,
        ])
        if dumped.ending == .exit(0) {
            #expect(box.isGone(tree))
            let restored = try box.restored(["restore", "-D", images])
            if restored.ending == .exit(0) {
                let verdict = try box.verdict()
                #expect(verdict.says.hasPrefix("fail: "), "blocked, and whole: \(verdict)")
            }
        } else {
            let verdict = try box.verdict()
            #expect(verdict.says == "pass\n", "\(verdict) \(dumped.output)")
        }
    }
}
