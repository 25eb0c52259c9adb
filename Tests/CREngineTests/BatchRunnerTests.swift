import Dispatch
import FoundationEssentials
import Glibc
import PolicyModel
import Testing

@testable import CREngine

/// A worker's part is played by the shell, so that each way to end can be had.
@Suite struct BatchRunnerTests {
    let temporary: TemporaryStore

    init() throws { temporary = try TemporaryStore() }

    private func runner(_ script: String, parallel: Int = 1) -> BatchRunner {
        var runner = BatchRunner(parallel: parallel)
        runner.program = .init(path: "/bin/sh", arguments: ["sh", "-c", script])
        return runner
    }

    /// A job for a tree that is sure to live: this process.
    private func job(target: String = "solver", timeout: Duration = .seconds(60)) throws -> DumpRequest {
        var policy = Policy(name: "nightly")
        policy.store.path = temporary.store.path
        policy.dump.timeout = timeout
        let life = try #require(try ProcessLife.of(PID(getpid())))
        let now = Date(timeIntervalSince1970: 1_795_418_220)
        return DumpRequest(
            policy: policy, target: target, root: PID(getpid()), startTime: life.startTime,
            checkpoint: CheckpointName(at: now, tail: 1), date: now,
            protected: [], version: "test")
    }

    private func run(_ runner: BatchRunner, _ jobs: [DumpRequest]) throws -> [DumpReply] {
        runner.run(jobs, stop: try StopSignals()) { _ in }
    }

    @Test func `a worker gets its request and its reply comes back`() throws {
        // The reply's error is the target out of the request.
        let script = #"""
            read -r request <&3 || true
            target=${request#*\"target\":\"}; target=${target%%\"*}
            printf '{"outcome":"failed","error":"%s","findings":[],"warnings":[]}' "$target" >&4
            """#
        let replies = try run(runner(script, parallel: 2), [job(target: "one"), job(target: "two")])
        #expect(replies.map(\.error) == ["one", "two"])
        #expect(replies.map(\.outcome) == [.failed, .failed])
    }

    @Test func `a reply longer than a pipe arrives whole`() throws {
        let script = #"""
            long=$(head -c 300000 /dev/zero | tr '\0' x)
            printf '{"outcome":"failed","error":"%s","findings":[],"warnings":[]}' "$long" >&4
            """#
        #expect(try run(runner(script), [job()]).first?.error?.count == 300_000)
    }

    @Test func `a worker that dies is an error with its signal and its last words`() throws {
        let reply = try #require(try run(runner("echo 'Fatal error: oh' >&2; kill -SEGV $$"), [job()]).first)
        #expect(reply.outcome == .failed)
        #expect(
            reply.error
                == "the worker died of SIGSEGV: Fatal error: oh; process \(getpid()) runs on")
    }

    @Test func `a worker that says nothing is an error with its code`() throws {
        let reply = try #require(try run(runner("exit 3"), [job()]).first)
        #expect(reply.error?.hasPrefix("the worker ended with 3 and without a whole reply") == true)
    }

    @Test func `what a dead worker was writing is removed`() throws {
        let request = try job()
        let left = "\(temporary.store.path)/nightly/solver/.incomplete-\(request.checkpoint)"
        _ = try run(runner("mkdir -p '\(left)/images'; echo x > '\(left)/images/y'; kill -9 $$"), [request])
        #expect(access(left, F_OK) != 0)
        #expect(access(temporary.store.path + "/nightly/solver", F_OK) == 0)
    }

    @Test func `a tree that is gone without an image is an unsafe end`() throws {
        var request = try job()
        request.startTime += 1
        let reply = try #require(try run(runner("kill -9 $$"), [request]).first)
        #expect(reply.outcome == .unsafe)
        #expect(reply.error?.contains("is gone and has no image") == true)
    }

    @Test func `past the time limit it is asked to end, and then made to`() throws {
        var deaf = runner("trap '' TERM; exec sleep 60 3<&- 4<&-")
        deaf.grace = .milliseconds(200)
        let replies = try run(deaf, [job(timeout: .milliseconds(100))])
        #expect(
            replies.first?.error?.hasPrefix(
                "took longer than dump.timeout, 0.1 seconds; the worker died of SIGKILL")
                == true)
        let polite = try run(runner("exec sleep 60"), [job(timeout: .milliseconds(100))])
        #expect(polite.first?.error?.contains("the worker died of SIGTERM") == true)
    }

    @Test func `no descriptor of ours is passed on`() throws {
        let stray = open("/dev/null", O_RDONLY)
        defer { close(stray) }
        let script = #"""
            list=$(ls -l /proc/self/fd | tail -n +2 | while read -r _ _ _ _ _ _ _ _ fd _; do printf '%s ' $fd; done)
            printf '{"outcome":"failed","error":"%s","findings":[],"warnings":[]}' "$list" >&4
            """#
        let listed = try #require(try run(runner(script), [job()]).first?.error)
        // The fifth is the directory that ls reads.
        #expect(listed == "0 1 2 3 4 5 ")
    }

    /// Says the first text on the first calls, one of which leaves a line in `calls`, and then that it is done.
    private func failing(_ times: Int, _ reply: String) -> String {
        let calls = temporary.root + "/calls"
        return """
            echo >>\(calls)
            echo $$ >\(temporary.root)/worker
            if [ $(wc -l <\(calls)) -le \(times) ]; then reply='\(reply)'; else
            reply='{"outcome":"dumped","findings":[],"warnings":[]}'; fi
            printf %s "$reply" >&4
            """
    }

    private func calls() -> Int {
        ((try? String(contentsOfFile: temporary.root + "/calls", encoding: .utf8)) ?? "").count
    }

    private static let transient =
        #"{"outcome":"failed","error":"busy","findings":[],"warnings":[],"isTransient":true}"#
    private static let lasting = #"{"outcome":"failed","error":"broken","findings":[],"warnings":[]}"#
    private static let blocked =
        #"{"outcome":"blocked","error":"no","findings":[],"warnings":[],"isTransient":true}"#

    private func retrying(_ times: Int, backoff: Duration = .milliseconds(20)) throws -> DumpRequest {
        var job = try job()
        job.policy.batch.retries = times
        job.policy.batch.backoff = backoff
        return job
    }

    @Test func `what passes by itself is tried again, after the backoff`() throws {
        let begin = ContinuousClock.now
        let job = try retrying(3, backoff: .milliseconds(150))
        let reply = try run(runner(failing(2, Self.transient)), [job])[0]
        #expect(reply.outcome == .dumped && reply.attempts == 3 && reply.error == nil)
        #expect(calls() == 3)
        #expect(ContinuousClock.now - begin >= .milliseconds(300))
    }

    @Test func `no more often than the policy says`() throws {
        let reply = try run(runner(failing(9, Self.transient)), [retrying(2)])[0]
        #expect(reply.outcome == .failed && reply.error == "busy (try 3 of 3)")
        #expect(calls() == 3)
    }

    @Test(arguments: [Self.lasting, Self.blocked])
    func `what does not pass by itself is not tried again`(_ text: String) throws {
        let reply = try run(runner(failing(9, text)), [retrying(2)])[0]
        #expect(reply.outcome != .dumped && reply.attempts == nil)
        #expect(calls() == 1)
    }

    @Test func `a signal ends the wait for another try`() throws {
        let stop = try StopSignals()
        let batch = runner(failing(9, Self.transient))
        let job = try retrying(9, backoff: .seconds(3600))
        let thread = pthread_self()
        let path = temporary.root + "/worker"
        // The signal comes when the only worker was there, and its end was taken.
        DispatchQueue.global().async {
            var worker: Int32?
            while worker == nil {
                usleep(1000)
                let said = try? String(contentsOfFile: path, encoding: .utf8)
                worker = said.flatMap { $0.hasSuffix("\n") ? Int32($0.dropLast()) : nil }
            }
            while let worker, kill(worker, 0) == 0 { usleep(1000) }
            pthread_kill(thread, SIGTERM)
        }
        let replies = batch.run([job], stop: stop) { _ in }
        #expect(replies[0].outcome == .failed && calls() == 1)
    }

    @Test func `a hook that ends the run lets what is under way finish and begins nothing more`() throws {
        let reply =
            #"{"outcome":"failed","error":"hook","findings":[],"warnings":[],"endsRun":true}"#
        let jobs = [try job(target: "one"), try job(target: "two")]
        let replies = try run(runner(failing(1, reply)), jobs)
        #expect(replies.map(\.outcome) == [.failed, .skipped])
        #expect(replies[1].error == "not begun: a hook of one ended the run")
    }

    @Test func `errors that pass by themselves are told from those that do not`() {
        let pid = PID(5)
        let passing: [DumpError] = [
            .trace(.timedOut(tid: pid.leader, detail: "")), .trace(.treeKeepsChanging(root: pid)),
            .trace(.died(pid.leader)), .task(pid, "", .noProcess), .task(pid, "", .again),
            .image("", .noMemory), .trace(.failed(operation: "", tid: pid.leader, errno: .again)),
        ]
        let lasting: [DumpError] = [
            .image("", .noSpace), .cannotCarry(""), .environment(""), .pauseTooLong(""), .imageFormat(""),
            .trace(.cancelled), .trace(.refused(tid: pid.leader, reason: "")), .task(pid, "", .perm),
            .hook(HookFailure(subject: "", fact: "", effect: .abortRun)),
        ]
        #expect(passing.filter { !$0.isTransient } == [])
        #expect(lasting.filter(\.isTransient) == [])
    }

    @Test func `a signal ends the worker, and the jobs after it are not begun`() throws {
        let stop = try StopSignals()
        var begun: [String] = []
        let jobs = [try job(target: "one"), try job(target: "two")]
        let replies = runner("exec sleep 60").run(jobs, stop: stop) { request in
            begun.append(request.target)
            pthread_kill(pthread_self(), SIGTERM)
        }
        #expect(begun == ["one"])
        #expect(replies[0].error?.hasPrefix("stopped by SIGTERM; the worker died of SIGTERM") == true)
        #expect(replies[1].outcome == .skipped)
        #expect(replies[1].error == "not begun: stopped by SIGTERM")
    }

    /// Goes through all stages of a group and then says that all is done; ends with a failure where the group does.
    private static let member = #"""
        read -r request <&3 || true
        for stage in 1 2 3 4; do
            printf "\\$stage" >&5
            [ "$(head -c 1 <&5 | od -An -tu1 | tr -d ' ')" = $stage ] || {
                printf '{"outcome":"failed","error":"let go at %s","findings":[],"warnings":[]}' $stage >&4; exit
            }
        done
        printf '{"outcome":"dumped","findings":[],"warnings":[]}' >&4
        """#

    private func group(_ targets: String...) throws -> [DumpRequest] {
        try targets.map { target in
            var job = try job(target: target)
            job.group = "session 1"
            return job
        }
    }

    @Test func `the workers of a group run at once whatever is allowed, and meet at each stage`() throws {
        let replies = try run(runner(Self.member, parallel: 1), group("one", "two", "three"))
        #expect(replies.map(\.outcome) == [.dumped, .dumped, .dumped])
    }

    @Test func `where one of a group is blocked the others are let go, and say because of whom`() throws {
        let script =
            #"""
            read -r request <&3 || true
            case $request in *'"target":"two"'*)
                printf '{"outcome":"blocked","error":"no","findings":[],"warnings":[]}' >&4; exit;;
            esac
            """# + "\n" + Self.member.replacing("read -r request <&3 || true\n", with: "")
        let replies = try run(runner(script), group("one", "two", "three"))
        #expect(replies.map(\.outcome) == [.blocked, .blocked, .blocked])
        #expect(replies[1].error == "no")
        #expect(replies[0].error == "let go with its group: two: no")
    }

    @Test func `where one of a group dies at its last meeting nobody goes past it`() throws {
        let script =
            #"""
            read -r request <&3 || true
            case $request in *'"target":"two"'*) last=4;; *) last=9;; esac
            """# + "\n"
            + Self.member.replacing("read -r request <&3 || true\n", with: "").replacing(
                "for stage in 1 2 3 4; do", with: "for stage in 1 2 3 4; do [ $stage = $last ] && kill -9 $$")
        let replies = try run(runner(script), group("one", "two"))
        #expect(replies.map(\.outcome) == [.failed, .failed])
        #expect(replies[0].error?.hasPrefix("let go with its group: two: the worker died of SIGKILL") == true)
    }

    @Test func `a group that is not whole when it stands still is let go`() throws {
        var runner = runner(Self.member)
        runner.check = { group, roots in "\(group) has others than \(roots.count)" }
        let replies = try run(runner, group("one", "two"))
        #expect(replies.map(\.outcome) == [.failed, .failed])
        #expect(replies[1].error == "let go with its group: session 1 has others than 1")
    }
}
