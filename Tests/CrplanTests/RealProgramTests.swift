import CREngine
import Glibc
import TestSupport
import Testing

/// Programs that know nothing of checkpoints, in the middle of their work, and the check of what they made of it.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct RealProgramTests {
    /// 48 MiB that xz can shorten, but not in no time.
    private func makeInput(_ path: String) throws {
        var bytes = [UInt8](repeating: 0, count: 48 << 20)
        var state: UInt64 = 1
        for index in bytes.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // An eighth of the bytes is noise.
            bytes[index] = UInt8(truncatingIfNeeded: index & 0xff < 32 ? state >> 56 : UInt64(index >> 8))
        }
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try file.writeAll(bytes)
    }

    /// Bytes; 0 for a file that is not there.
    private func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Out and back; fails the test at the step that went wrong.
    private func cycle(_ workload: inout Workload, _ name: String) throws {
        let out = try workload.checkpoint(name)
        try #require(out.ending == .exit(0), "\(out.output)")
        #expect(processTree(of: workload.root).allSatisfy { statFields("/proc/\($0)/stat").isEmpty })
        let back = try workload.restore(name)
        try #require(back.ending == .exit(0), "\(back.output)")
    }

    @Test func `xz with two threads writes the very bytes of an undisturbed run`() throws {
        var workload = try Workload(timeout: 240)
        try makeInput(workload.place + "/input")
        let xz = ["/usr/bin/xz", "-6", "-T2", "--block-size=4MiB", "-k"]
        let undisturbed = try Command.run(xz + [workload.place + "/input"], timeout: 200)
        try #require(undisturbed.ending == .exit(0), "\(undisturbed.output)")
        #expect(rename(workload.place + "/input.xz", workload.place + "/expected.xz") == 0)

        try workload.start(xz + ["input"])
        let output = workload.place + "/input.xz"
        try #require(workload.await { size(of: output) > 1 << 20 })
        try cycle(&workload, "compressor")
        #expect(workload.ended() == .exit(0), "\(workload.contents("log"))")
        let same = try Command.run(["/usr/bin/cmp", "input.xz", "expected.xz"], in: workload.place)
        #expect(same.ending == .exit(0), "\(same.output)")
    }

    @Test func `a pipeline of shells loses no line and repeats none`() throws {
        var workload = try Workload()
        let example = BuiltPrograms.sources + "/examples/pipeline"
        try workload.start(["/bin/bash", example + "/run", workload.place, "200"])
        for count in [20, 80] {
            let place = workload.place
            #expect(workload.await { (text(of: place + "/priced") ?? "").contains("order \(count) ") })
            try cycle(&workload, "pipeline")
        }
        #expect(workload.ended() == .exit(0), "\(workload.contents("log"))")
        let check = try Command.run(["/bin/bash", example + "/check", workload.place, "200"])
        #expect(check.ending == .exit(0), "\(check.output)")
    }

    @Test func `a python pool of processes finishes all its jobs`() throws {
        let program = """
            import multiprocessing, time
            def job(n):
                time.sleep(0.02)
                return n * n
            if __name__ == "__main__":
                with multiprocessing.get_context("fork").Pool(4) as pool, open("progress", "w") as progress:
                    total = 0
                    for value in pool.imap_unordered(job, range(400)):
                        total += value
                        progress.write(f"{value}\\n")
                        progress.flush()
                with open("total", "w") as out:
                    out.write(str(total))
            """
        var workload = try Workload()
        try write(program, to: workload.place + "/pool.py")
        try workload.start(["/usr/bin/python3", "pool.py"])
        let place = workload.place
        #expect(workload.await { (text(of: place + "/progress") ?? "").split(separator: "\n").count > 50 })
        try cycle(&workload, "pool")
        #expect(workload.ended() == .exit(0), "\(workload.contents("log"))")
        #expect(workload.contents("total") == String((0..<400).reduce(0) { $0 + $1 * $1 }))
        #expect(workload.contents("progress").split(separator: "\n").count == 400)
    }

    @Test func `a process of another user keeps its ids and its lowered limits`() throws {
        var workload = try Workload()
        let program = """
            umask 077
            for i in $(seq 150); do echo $i >>lines; sleep 0.02; done
            { id -u; id -g; ulimit -Sn; ulimit -Hn; ulimit -c; umask; grep -E '^(CapEff|NoNewPrivs)' /proc/$$/status; } >end
            """
        try workload.start([
            "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
            "/usr/bin/prlimit",
            "--nofile=64:128", "--core=0", "/bin/bash", "-c", program,
        ])
        let place = workload.place
        #expect(workload.await { (text(of: place + "/lines") ?? "").contains("\n30\n") })
        try cycle(&workload, "unprivileged")
        #expect(workload.ended() == .exit(0), "\(workload.contents("log"))")
        #expect(workload.contents("lines") == (1...150).map { "\($0)\n" }.joined())
        #expect(
            workload.contents("end")
                == "65534\n65534\n64\n128\n0\n0077\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n")
    }

    @Test func `of three trees the blocked one runs on untouched and the others go out and back`() throws {
        var first = try Workload()
        var second = try Workload()
        var blocked = try Workload()
        func start(_ workload: inout Workload, _ words: [String]) throws {
            try workload.start([BuiltPrograms.subject, "--status", workload.place + "/status"] + words)
            let place = workload.place
            try #require(workload.await { text(of: place + "/status") == "ready\n" })
        }
        try start(&first, ["tree"])
        try start(&second, ["pipes"])
        try start(&blocked, ["holder", "io_uring"])
        let trees = [processTree(of: first.root), processTree(of: second.root)]
        let before = Fingerprint(root: blocked.root)

        let policy = try first.writePolicy("three", pids: [first.root, second.root, blocked.root])
        let out = try Command.run([BuiltPrograms.crplan, "apply", policy])
        #expect(out.ending == .exit(4), "\(out.output)")
        for tree in trees { #expect(reap(tree, until: now() + 10)) }
        let after = Fingerprint(root: blocked.root)
        #expect(after.differences(from: before) == [])
        #expect(after.held() == [])

        let checkpoints = first.checkpoints(of: "three")
        #expect(checkpoints.count == 2)
        for checkpoint in checkpoints {
            let back = try Command.run([BuiltPrograms.crplan, "restore", checkpoint])
            #expect(back.ending == .exit(0), "\(back.output)")
        }
        try finish(first)
        try finish(second)
        try finish(blocked)
    }

    /// Asks a subject for its verdict.
    private func finish(_ workload: borrowing Workload) throws {
        try write("", to: workload.place + "/status.check")
        #expect(workload.ended() == .exit(0), "\(workload.contents("status"))")
        #expect(workload.contents("status") == "pass\n")
    }
}
