import CREngine
import Glibc
import TestSupport
import Testing

/// `dump`, `restore` and `check` in CRIU's spellings: options, logs, limits of time.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct PlumbingTests {
    private func crplan(_ words: String...) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    /// The lines of an error without CRIU's closing one.
    private func complaint(_ command: Command) -> [Substring] {
        command.output.split(separator: "\n").filter { !$0.contains("FAILED.") }
    }

    @Test func `what cannot be opened is named`() throws {
        for words in [["dump", "-t", "1", "-D", "/no/such"], ["restore", "-D", "/no/such"]] {
            let result = try Command.run([BuiltPrograms.crplan] + words)
            #expect(result.ending == .exit(1))
            #expect(complaint(result).count == 1)
            #expect(result.output.contains("/no/such: the directory of the images cannot be opened"))
        }
        let log = try crplan("check", "-o", "/no/such/log")
        #expect(log.ending == .exit(1))
        #expect(log.output.contains("/no/such/log: the log cannot be written"))
    }

    @Test(arguments: [["dump", "-t", "999999"], ["restore"], ["check"]])
    func `an option of CRIU that is not there yet is an error that says so`(_ command: [String]) throws {
        let result = try Command.run([BuiltPrograms.crplan] + command + ["--lazy-pages"])
        #expect(result.ending == .exit(64))
        #expect(result.output.contains("--lazy-pages: this option of CRIU is not there yet"))
    }

    @Test func `check writes its log where -W and -o say`() throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let result = try crplan("check", "-v4", "-W", directory, "-o", "check.log")
        #expect(result.output.contains("ooks good"))
        #expect(text(of: directory + "/check.log")?.contains("  ok") == true)
    }

    @Test func `-W holds log, pidfile and statistics, -s leaves stopped, -S makes a sibling`() throws {
        let subject = try DumpedSubject(["plain"])
        let work = subject.directory + "/work"
        mkdir(work, 0o700)
        try subject.dump(["-W", work, "-o", "dump.log", "-v4"])
        #expect(text(of: work + "/dump.log")?.contains("Dumping finished successfully") == true)
        let isGone = subject.reapAll()
        try #require(isGone)
        let restored = try subject.restore([
            "-W", work, "-o", "restore.log", "-v4", "--pidfile", "pid", "-s", "-S",
        ])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(text(of: work + "/restore.log")?.contains("Restore finished successfully") == true)
        #expect(text(of: work + "/pid") == "\(subject.root)")
        #expect(names(in: work).contains("stats-restore"))
        let stat = statFields("/proc/\(subject.root)/stat")
        #expect(stat.first == "T")
        #expect(stat.dropFirst().first == "\(getpid())", "the root is no child of who called crplan")
        kill(subject.root, SIGCONT)
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
        #expect(text(of: subject.place + "/status") == "pass\n")
    }

    /// A thread that waits for its vfork(2) child, which has memory of its own, cannot be stopped by anything.
    @Test func `a tree that does not stop is let go when --timeout is over`() throws {
        let subject = try DumpedSubject(["unstoppable"])
        let before = Fingerprint(root: subject.root)
        let begin = now()
        let result = try crplan(
            "dump", "-t", "\(subject.root)", "-D", subject.images, "--timeout", "1", "-v1")
        let took = now() - begin
        #expect(result.ending == .exit(1))
        #expect(complaint(result).count == 1, "\(result.output)")
        #expect(result.output.contains("did not stop in time"))
        #expect(took >= 1)
        // Without the option it would be 10 s.
        #expect(took < 9, "it took \(took) s")
        let after = Fingerprint(root: subject.root)
        #expect(after.differences(from: before) == [])
        #expect(after.held() == [])
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
        #expect(text(of: subject.place + "/status") == "pass\n")
    }
}
