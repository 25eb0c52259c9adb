import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

/// Hooks and action scripts of policies, by what they write down when they are called.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct HookTests {
    /// All stages in the order of the policy language.
    private static let stages = [
        "before-scan", "before-freeze", "frozen", "before-thaw", "thawed", "published", "run-end", "failed",
        "before-restore", "restored", "resumed",
    ]

    /// A subject, and hooks of all stages that write their stage and more into `calls`.
    private final class Scene {
        let group: SubjectGroup
        var root: Int32 { group.members[0].root }
        var calls: String { group.directory + "/calls" }
        private var script: String { group.directory + "/hook" }

        /// `body` is shell code that follows the writing.
        init(_ body: String = "") throws {
            var group = try SubjectGroup()
            try group.start("plain")
            try #require(group.laggards() == [])
            try write(
                """
                #!/bin/bash
                state=$(sed 's/.*) //' /proc/\(group.members[0].root)/stat 2>/dev/null | cut -d' ' -f1)
                echo "$CRPLAN_STAGE ${state/R/S}" >>\(group.directory)/calls
                env | grep ^CRPLAN_ | sort >\(group.directory)/env-$CRPLAN_STAGE
                \(body)
                exit 0
                """, to: group.directory + "/hook", mode: 0o755)
            self.group = group
        }

        func hooks(_ more: String = "") -> String {
            "hooks:\n"
                + HookTests.stages.map { "  - {name: note, at: \($0), argv: [\(script)]\(more)}\n" }.joined()
        }

        func policy(_ name: String, after: String = "leave-running", _ more: String? = nil) throws -> String {
            let path = "\(group.directory)/\(name).yaml"
            let filesystem = after == "leave-running" ? "filesystem: hook" : ""
            try write(
                """
                version: 1
                name: \(name)
                select:
                  - pid: \(root)
                dump:
                  after: \(after)
                  \(filesystem)
                store:
                  path: \(group.store)
                \(more ?? hooks())
                """, to: path)
            return path
        }

        /// Stage and the root's state at each call so far, and forgets them.
        func called() -> [String] {
            let lines = (text(of: calls) ?? "").split(separator: "\n").map { trimmed(String($0)) }
            unlink(calls)
            return lines
        }

        func environment(_ stage: String) -> [String: String] {
            var all: [String: String] = [:]
            for line in (text(of: "\(group.directory)/env-\(stage)") ?? "").split(separator: "\n") {
                let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
                all[parts[0]] = parts.count > 1 ? parts[1] : ""
            }
            return all
        }

        func apply(_ policy: String) throws -> Command {
            try Command.run([BuiltPrograms.crplan, "apply", policy], timeout: 100)
        }

        func isRunning() -> Bool {
            let root = root
            return group.await { ["S", "R"].contains(statFields("/proc/\(root)/stat").first) }
        }
    }

    @Test func `beside a tree that runs on the stages come in order, and it is stopped at two of them`()
        throws
    {
        let scene = try Scene()
        let applied = try scene.apply(try scene.policy("beside"))
        #expect(applied.ending == .exit(0), "\(applied.output)")
        #expect(
            scene.called() == [
                "before-scan S", "before-freeze S", "frozen t", "before-thaw t", "thawed S", "published S",
                "run-end S",
            ])
        let checkpoint = try #require(try Store(path: scene.group.store).checkpoints().first)
        let frozen = scene.environment("frozen")
        #expect(frozen["CRPLAN_COMMAND"] == "apply" && frozen["CRPLAN_POLICY"] == "beside")
        #expect(frozen["CRPLAN_HOOK"] == "note" && frozen["CRPLAN_STORE"] == scene.group.store)
        #expect(frozen["CRPLAN_TARGET"] == checkpoint.target && frozen["CRPLAN_PID"] == "\(scene.root)")
        #expect(frozen["CRPLAN_CHECKPOINT"] == checkpoint.path)
        #expect(frozen["CRPLAN_IMAGES"]?.contains("/.incomplete-") == true)
        #expect(scene.environment("published")["CRPLAN_IMAGES"] == checkpoint.imagesPath)
        #expect(scene.environment("run-end")["CRPLAN_DUMPED"] == "1")
        #expect(scene.environment("run-end")["CRPLAN_NOT_DUMPED"] == "0")
        #expect(scene.environment("before-scan")["CRPLAN_TARGET"] == nil)
        let log = text(of: checkpoint.path + "/dump.log") ?? ""
        #expect(log.contains("hook \"note\" at frozen"))
        #expect(scene.group.verdicts() == [])
    }

    @Test func `a tree that is killed is not thawed, and its restore calls what the manifest holds`() throws {
        let scene = try Scene()
        let tree = processTree(of: scene.root)
        let applied = try scene.apply(try scene.policy("out", after: "kill"))
        #expect(applied.ending == .exit(0), "\(applied.output)")
        #expect(reap(tree, until: now() + 10))
        #expect(
            scene.called().map { $0.split(separator: " ")[0] } == [
                "before-scan", "before-freeze", "frozen", "published", "run-end",
            ])
        let checkpoint = try #require(try Store(path: scene.group.store).checkpoints().first)
        let back = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(back.ending == .exit(0), "\(back.output)")
        #expect(scene.called() == ["before-restore", "restored t", "resumed S"])
        let restored = scene.environment("restored")
        #expect(restored["CRPLAN_COMMAND"] == "restore" && restored["CRPLAN_PID"] == "\(scene.root)")
        #expect(restored["CRPLAN_CHECKPOINT"] == checkpoint.path)
        #expect(restored["CRPLAN_IMAGES"] == checkpoint.imagesPath)
        // A second restore finds the numbers taken.
        let again = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(again.ending == .exit(1))
        #expect(scene.called().map { $0.split(separator: " ")[0] } == ["before-restore", "failed"])
        #expect(scene.environment("failed")["CRPLAN_ERROR"]?.isEmpty == false)
        #expect(scene.group.verdicts() == [])
    }

    @Test func `a hook that fails at frozen lets the tree go, which it hears of, and nothing is published`()
        throws
    {
        let scene = try Scene("[ $CRPLAN_STAGE = frozen ] && echo no space here && exit 3")
        let applied = try scene.apply(try scene.policy("failing"))
        #expect(applied.ending == .exit(1), "\(applied.output)")
        #expect(applied.output.contains("no space here"))
        #expect(
            scene.called() == [
                "before-scan S", "before-freeze S", "frozen t", "thawed S", "failed S", "run-end S",
            ])
        #expect(scene.environment("failed")["CRPLAN_ERROR"]?.contains("ended with exit 3") == true)
        #expect(try Store(path: scene.group.store).checkpoints().isEmpty)
        #expect(scene.isRunning())
        #expect(scene.group.verdicts() == [])
    }

    @Test(arguments: ["before-scan", "before-freeze", "frozen", "before-thaw"])
    func `exit 75 means not now: the run ends with 75, quietly, and the tree runs on`(_ stage: String) throws
    {
        let scene = try Scene("[ $CRPLAN_STAGE = \(stage) ] && exit 75")
        let applied = try scene.apply(try scene.policy("later"))
        #expect(applied.ending == .exit(75), "\(applied.output)")
        let called = scene.called().map { String($0.split(separator: " ")[0]) }
        #expect(!called.contains("failed") && !called.contains("published"))
        #expect(called.contains("thawed") == ["frozen", "before-thaw"].contains(stage))
        #expect(try Store(path: scene.group.store).checkpoints().isEmpty)
        #expect(scene.isRunning())
        #expect(scene.group.verdicts() == [])
    }

    @Test func `a hook that waits for the frozen tree is killed in time`() throws {
        // The tree is stopped, so this would never end.
        let scene = try Scene(
            "[ $CRPLAN_STAGE = frozen ] && while grep -q '^State:.t' /proc/$CRPLAN_PID/status; do sleep 0.05; done"
        )
        let applied = try scene.apply(try scene.policy("waiting", scene.hooks(", timeout: 700ms")))
        #expect(applied.ending == .exit(1), "\(applied.output)")
        #expect(applied.output.contains("its timeout"))
        #expect(scene.isRunning())
        #expect(scene.group.verdicts() == [])
    }

    @Test func `ignored failures are in the log, and skip leaves one tree out`() throws {
        let scene = try Scene("[ $CRPLAN_STAGE = frozen ] && exit 3")
        let ignored = try scene.apply(try scene.policy("ignored", scene.hooks(", on-error: ignore")))
        #expect(ignored.ending == .exit(0), "\(ignored.output)")
        let checkpoint = try #require(try Store(path: scene.group.store).checkpoints().first)
        #expect((text(of: checkpoint.path + "/dump.log") ?? "").contains("ended with exit 3"))
        let skipped = try scene.apply(try scene.policy("skipped", scene.hooks(", on-error: skip")))
        #expect(skipped.ending == .exit(75), "\(skipped.output)")
        #expect(scene.group.verdicts() == [])
    }

    @Test func `a hook at before-restore can put a restore off or forbid it`() throws {
        let scene = try Scene("[ $CRPLAN_STAGE = before-restore ] && exit $(cat $(dirname $0)/code)")
        let tree = processTree(of: scene.root)
        #expect(try scene.apply(try scene.policy("gate", after: "kill")).ending == .exit(0))
        #expect(reap(tree, until: now() + 10))
        let checkpoint = try #require(try Store(path: scene.group.store).checkpoints().first)
        for (code, ending) in [(75, Ending.exit(75)), (4, .exit(1)), (0, .exit(0))] {
            try write("\(code)\n", to: scene.group.directory + "/code")
            let back = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
            #expect(back.ending == ending, "\(back.output)")
        }
        #expect(scene.group.verdicts() == [])
    }

    @Test func `action scripts of a policy are called at dump and, out of the manifest, at restore`() throws {
        let scene = try Scene()
        try write(
            "#!/bin/sh\necho $CRTOOLS_SCRIPT_ACTION $CRTOOLS_INIT_PID >>\(scene.calls)\n[ $CRTOOLS_SCRIPT_ACTION = pre-dump ] || ls $CRTOOLS_IMAGE_DIR/inventory.img >>\(scene.calls)\n",
            to: scene.group.directory + "/action", mode: 0o755)
        let tree = processTree(of: scene.root)
        let policy = try scene.policy(
            "actions", after: "kill", "action-scripts:\n  - \(scene.group.directory)/action\n")
        #expect(try scene.apply(policy).ending == .exit(0))
        #expect(reap(tree, until: now() + 10))
        func stages() -> [String] { scene.called().filter { !$0.hasPrefix("/proc/") } }
        #expect(stages() == ["pre-dump \(scene.root)", "post-dump \(scene.root)"])
        let checkpoint = try #require(try Store(path: scene.group.store).checkpoints().first)
        let back = try Command.run([BuiltPrograms.crplan, "restore", checkpoint.path])
        #expect(back.ending == .exit(0), "\(back.output)")
        #expect(
            stages() == [
                "pre-restore", "post-restore \(scene.root)", "pre-resume \(scene.root)",
                "post-resume \(scene.root)",
            ])
        #expect(scene.group.verdicts() == [])
    }
}
