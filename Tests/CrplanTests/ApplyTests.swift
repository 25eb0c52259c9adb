import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

@testable import crplan

/// `apply` on real programs, by its exit codes. The programs are sleeps in sessions of their own.
@Suite(.serialized, .enabled(if: geteuid() == 0, "checkpoints need root"))
struct ApplyTests {
    private let directory: URL
    /// Told apart from the sleeps of other tests by how long they are.
    private let seconds: Int

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "crplan-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        seconds = Int.random(in: 10_000_000...99_999_999)
    }

    private var store: String { directory.path + "/store" }

    private func policy(_ name: String, _ more: String = "") throws -> String {
        let path = directory.path + "/\(name).yaml"
        let text = """
            version: 1
            name: \(name)
            select:
              - cmdline: "^sleep \(seconds)"
            store:
              path: \(store)
            \(more)
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// Runs `body` with sleeps that have these words before them in the shell, and ends them whatever happens.
    private func withSleeps(_ redirections: [String], _ body: () throws -> Void) throws {
        // What is killed becomes ours to reap: whoever is pid 1 here may take long, and a zombie keeps its number.
        try becomeSubreaper()
        var pids: [Int32] = []
        defer {
            end(pids)
            try? FileManager.default.removeItem(at: directory)
        }
        for (index, redirection) in redirections.enumerated() {
            let script = """
                for fd in $(ls /proc/self/fd); do [ $fd -gt 2 ] && eval "exec $fd>&-"; done
                setsid sleep \(seconds).\(index) </dev/null >/dev/null 2>&1 \(redirection) & echo $!
                """
            let answer = try Command.run(["/bin/bash", "-c", script])
            pids.append(try #require(Int32(answer.output.split(separator: "\n").first ?? "")))
        }
        // A sleep that is still a shell does not match yet.
        let deadline = Deadline.after(milliseconds: 5000)
        while !pids.allSatisfy({ comm($0) == "sleep" }), !deadline.hasPassed { usleep(2000) }
        try body()
    }

    private func comm(_ pid: Int32) -> String? {
        (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8))?.split(separator: "\n").first
            .map(String.init)
    }

    private func crplan(_ words: String...) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    @Test func `a tree goes into the store and comes back`() throws {
        let file = try policy("there-and-back")
        try withSleeps([""]) {
            let applied = try crplan("apply", file)
            #expect(applied.ending == .exit(0), "\(applied.output)")
            #expect(applied.output.contains("read back and found good"))
            let checkpoint = try #require(try Store(path: store).checkpoints().first)
            let manifest = try checkpoint.manifest()
            #expect(manifest.tree.map(\.comm) == ["sleep"])
            let pid = try #require(manifest.tree.first?.pid)
            #expect([nil, "Z"].contains(try ProcessLife.of(pid)?.state))
            #expect(reap([pid.rawValue], until: now() + 10))
            #expect(try crplan("verify", "--store", store).ending == .exit(0))

            let reference = "there-and-back/\(checkpoint.target)/latest"
            let restored = try crplan("restore", reference, "--store", store)
            #expect(restored.ending == .exit(0), "\(restored.output)")
            #expect(comm(pid.rawValue) == "sleep")
            #expect(try crplan("restore", reference, "--store", store).ending == .exit(1))
            #expect(try crplan("verify", "--store", store).ending == .exit(0))
        }
    }

    @Test func `a damaged checkpoint is not restored`() throws {
        let file = try policy("damaged")
        try withSleeps([""]) {
            #expect(try crplan("apply", file).ending == .exit(0))
            let checkpoint = try #require(try Store(path: store).checkpoints().first)
            let image = checkpoint.imagesPath + "/pstree.img"
            try (Data(contentsOf: URL(fileURLWithPath: image)) + [0]).write(to: URL(fileURLWithPath: image))
            #expect(try crplan("verify", "--store", store).ending == .exit(8))
            #expect(try crplan("restore", checkpoint.id, "--store", store).ending == .exit(8))
        }
    }

    /// A named pipe that we have open, so that a tree which opens it is blocked.
    private struct Outside: ~Copyable {
        let path: String
        private let end: OwnedFD

        init(_ directory: String) throws {
            path = directory + "/fifo"
            #expect(mkfifo(path, 0o600) == 0)
            end = try OwnedFD.open(path, O_RDWR)
        }
    }

    @Test func `with one tree ready and one blocked the ready one is dumped and the code is 4`() throws {
        let file = try policy("partial")
        let outside = try Outside(directory.path)
        try withSleeps(["", "3<>\(outside.path)"]) {
            #expect(try crplan("plan", file).ending == .exit(3))
            let applied = try crplan("apply", file)
            #expect(applied.ending == .exit(4), "\(applied.output)")
            #expect(try Store(path: store).checkpoints().count == 1)
            // What is left is blocked, and nothing is done.
            #expect(try crplan("apply", file).ending == .exit(3))
            #expect(try Store(path: store).checkpoints().count == 1)
        }
    }

    @Test func `without keep-going one blocked tree keeps the others from being dumped`() throws {
        let file = try policy("all-or-none", "batch:\n  keep-going: false")
        let outside = try Outside(directory.path)
        try withSleeps(["", "3<>\(outside.path)"]) {
            let applied = try crplan("apply", file)
            #expect(applied.ending == .exit(3))
            #expect(try Store(path: store).checkpoints().isEmpty)
        }
    }

    @Test func `trees are dumped at once where the policy says so`() throws {
        let file = try policy("parallel", "batch:\n  parallel: 3")
        try withSleeps(["", "", ""]) {
            let applied = try crplan("apply", file)
            #expect(applied.ending == .exit(0), "\(applied.output)")
            let checkpoints = try Store(path: store).checkpoints()
            #expect(checkpoints.count == 3)
            #expect(try checkpoints.flatMap { try $0.verify() } == [])
        }
    }

    @Test func `a saved plan is executed as it was, and refused where a tree is another one`() throws {
        let file = try policy("saved")
        let saved = directory.path + "/plan.json"
        try withSleeps([""]) {
            #expect(try crplan("plan", file, "-o", saved).ending == .exit(0))
            let applied = try crplan("apply", saved)
            #expect(applied.ending == .exit(0), "\(applied.output)")
            #expect(try Store(path: store).checkpoints().count == 1)
            let again = try crplan("apply", saved)
            #expect(again.ending == .exit(5), "\(again.output)")
            #expect(again.output.contains("differs from the plan: sleep["))
        }
    }

    @Test func `the codes of a run that begins nothing`() throws {
        let quiet = try policy("quiet")
        let strict = try policy("strict", "on-no-match: fail")
        #expect(try crplan("apply", quiet).ending == .exit(0))
        #expect(try crplan("apply", strict).ending == .exit(6))
        try withSleeps([""]) {
            let lock = try PolicyLock(policy: "quiet")
            #expect(lock.tookOverFrom == nil)
            let applied = try crplan("apply", quiet)
            #expect(applied.ending == .exit(7))
            #expect(applied.output.contains("another run of this policy holds it, pid \(getpid())"))
            #expect(try crplan("apply", "--dry-run", quiet).ending == .exit(0))
            #expect(try Store(path: store).checkpoints().isEmpty)
        }
    }

    @Test func `too little room in the store stops nothing and is 1`() throws {
        let file = try policy("full", "  min-free: 900000GiB")
        try withSleeps([""]) {
            let applied = try crplan("apply", file)
            #expect(applied.ending == .exit(1))
            let words = applied.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(words.contains("bytes free and must have"))
            #expect(try Store(path: store).checkpoints().isEmpty)
        }
    }

    @Test func `without privileges the code is 77 and the capability is named`() throws {
        let file = try policy("unprivileged")
        defer { try? FileManager.default.removeItem(at: directory) }
        let result = try Command.run([
            "/usr/bin/setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", BuiltPrograms.crplan,
            "plan", file,
        ])
        #expect(result.ending == .exit(77), "\(result.output)")
        #expect(result.output.contains("CAP_SYS_PTRACE"))
    }
}
