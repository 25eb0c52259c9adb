import FoundationEssentials
import Glibc
import PolicyModel
import Testing

@testable import CREngine

/// Programs that hooks and action scripts are, played by the shell.
@Suite(.serialized) struct CalledProgramTests {
    let temporary: TemporaryStore

    init() throws { temporary = try TemporaryStore() }

    private func run(
        _ script: String, until deadline: Deadline? = nil, _ change: (inout CalledProgram) -> Void = { _ in }
    ) -> (end: CalledProgram.End, lines: [String]) {
        var program = CalledProgram(words: ["/bin/sh", "-c", script])
        change(&program)
        var lines: [String] = []
        let end = program.run(until: deadline, stop: .never) { lines.append($0) }
        return (end, lines)
    }

    @Test func `what it prints comes as lines, both streams, the last one without an end too`() {
        let (end, lines) = run("echo one; echo two >&2; printf three; exit 4")
        #expect(end == .exited(4))
        #expect(lines == ["one", "two", "three"])
    }

    @Test func `it has no input, no descriptor of ours, no blocked or ignored signal, and its own group`() {
        let stray = open("/dev/null", O_RDONLY)
        defer { close(stray) }
        var blocked = sigset_t()
        var before = sigset_t()
        sigemptyset(&blocked)
        sigaddset(&blocked, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        signal(SIGUSR2, SIG_IGN)
        defer {
            signal(SIGUSR2, SIG_DFL)
            pthread_sigmask(SIG_SETMASK, &before, nil)
        }
        let (_, lines) = run(
            #"""
            readlink /proc/$$/fd/0
            for n in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$n ] && echo "$n is open"; done
            grep SigBlk: /proc/self/status
            # 32 and 33 are glibc's own; it ignores them in whatever posix_spawn(3) starts.
            grep SigIgn: /proc/self/status | sed s/00000001800/00000000000/
            [ "$(cut -d' ' -f5 /proc/$$/stat)" = $$ ] && echo leads
            """#)
        #expect(
            lines == ["/dev/null", "SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "leads"])
    }

    @Test func `past its deadline it is killed with all that it started`() throws {
        let file = temporary.root + "/pid"
        let (end, _) = run("sleep 1000 & echo $! >\(file); wait", until: .after(milliseconds: 400))
        #expect(end == .timedOut)
        let child = try #require(Int32(try String(contentsOfFile: file, encoding: .utf8).dropLast()))
        let deadline = Deadline.after(milliseconds: 5000)
        var state = try ProcessLife.of(PID(child))?.state
        while state != nil, state != "Z", !deadline.hasPassed {
            usleep(1000)
            state = try ProcessLife.of(PID(child))?.state
        }
        #expect(state == nil || state == "Z")
    }

    @Test func `what it leaves running does not keep us waiting`() {
        let begin = ContinuousClock.now
        let (end, lines) = run("sleep 30 & echo $!")
        #expect(end == .exited(0))
        #expect(ContinuousClock.now - begin < .seconds(15))
        if let pid = lines.first.flatMap({ Int32($0) }) { kill(pid, SIGKILL) }
    }

    @Test func `a readable descriptor ends the wait for it`() {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { ends.forEach { close($0) } }
        #expect(write(ends[1], "x", 1) == 1)
        let program = CalledProgram(words: ["/bin/sleep", "1000"])
        #expect(program.run(until: nil, stop: .readable(ends[0])) { _ in } == .cancelled)
    }

    @Test func `its environment is ours with what it is told, and its directory the one that is said`() {
        setenv("CRPLAN_TEST", "ours", 1)
        defer { unsetenv("CRPLAN_TEST") }
        let (_, lines) = run("echo $CRPLAN_TEST $CRPLAN_STAGE; pwd") {
            $0.environment = [("CRPLAN_TEST", "theirs"), ("CRPLAN_STAGE", "frozen")]
            $0.directory = "/usr"
        }
        #expect(lines == ["theirs frozen", "/usr"])
    }

    @Test func `a flood of output is cut and does not stop it`() {
        let (end, lines) = run("head -c 3000000 /dev/zero | tr '\\0' x; exit 0") { $0.printLimit = 1000 }
        #expect(end == .exited(0))
        #expect(lines == [String(repeating: "x", count: 1000), "(the rest is left out)"])
    }

    @Test func `a script without an interpreter line is the shell's, and what is not there is an error`()
        throws
    {
        let path = temporary.root + "/plain script"
        try Data("echo plain $0".utf8).write(to: URL(filePath: path))
        chmod(path, 0o755)
        var lines: [String] = []
        #expect(CalledProgram(words: [path]).run(until: nil) { lines.append($0) } == .exited(0))
        #expect(lines == ["plain \(path)"])
        let absent = CalledProgram(words: ["/nowhere/hook"]).run(until: nil) { _ in }
        #expect(absent == .notStarted(.noEntry))
    }

    // MARK: Hooks

    private func hook(
        _ name: String, _ script: String, at stage: Hook.Stage = .frozen, onError: Hook.OnError = .abort
    ) -> Hook {
        var hook = Hook()
        hook.name = name
        hook.at = stage
        hook.argv = ["/bin/sh", "-c", script]
        hook.onError = onError
        return hook
    }

    /// What the hooks of `frozen` or another stage did, and how that ended.
    private func call(
        _ hooks: [Hook], at stage: Hook.Stage = .frozen, until deadline: Deadline? = nil
    ) -> (failure: HookFailure?, log: [String]) {
        var log: [String] = []
        let caller = HookCaller(hooks, environment: [("CRPLAN_POLICY", "nightly")]) { log.append($0) }
        do throws(HookFailure) {
            try caller.call(stage, [("CRPLAN_PID", "42")], until: deadline)
            return (nil, log)
        } catch {
            return (error, log)
        }
    }

    @Test func `hooks of the stage are called in order, and told what they are for`() {
        let script = "echo $CRPLAN_HOOK $CRPLAN_STAGE $CRPLAN_POLICY $CRPLAN_PID"
        let hooks = [hook("a", script), hook("b", "exit 1", at: .thawed), hook("c", script)]
        let (failure, log) = call(hooks)
        #expect(failure == nil)
        #expect(
            log.filter { $0.contains("says") } == [
                "hook \"a\" at frozen says: a frozen nightly 42",
                "hook \"c\" at frozen says: c frozen nightly 42",
            ])
    }

    @Test func `a hook that fails ends the stage, as its on-error says`() {
        let next = hook("next", "echo called")
        let (abort, log) = call([hook("a", "echo why; exit 3"), next])
        #expect(abort?.effect == .abortRun && abort?.exitCode == 3)
        #expect(abort.map { "\($0)" } == "hook \"a\" at frozen ended with exit 3 (why)")
        #expect(!log.contains { $0.contains("called") })
        #expect(call([hook("a", "kill -9 $$", onError: .skip), next]).failure?.effect == .skip)
        let (ignored, rest) = call([hook("a", "exit 3", onError: .ignore), next])
        #expect(ignored == nil && rest.contains { $0.contains("says: called") })
    }

    @Test func `exit 75 is "not now" where that can be, whatever on-error says, and a failure elsewhere`() {
        let later = hook("a", "exit 75", onError: .ignore)
        #expect(call([later]).failure?.effect == .notNow)
        #expect(call([later]).failure.map { "\($0)" } == "hook \"a\" at frozen said \"not now\" (exit 75)")
        let late = hook("a", "exit 75", at: .thawed)
        #expect(call([late], at: .thawed).failure?.effect == .abortRun)
    }

    @Test func `a hook takes no longer than its timeout, nor than the pause may be`() {
        var slow = hook("slow", "sleep 1000")
        slow.timeout = .milliseconds(200)
        #expect(call([slow]).failure?.fact == "took longer than its timeout, 0.2 seconds, and was killed")
        slow.timeout = .seconds(1000)
        let failure = call([slow], until: .after(milliseconds: 200)).failure
        #expect(failure?.fact == "took longer than the pause may be, and was killed")
    }

    // MARK: Action scripts

    private func actions(_ scripts: [String]) -> (failure: HookFailure?, log: [String]) {
        var log: [String] = []
        do throws(HookFailure) {
            try ActionScripts(scripts, imageDirectory: 1, workDirectory: "/usr") { log.append($0) }.call(
                .postDump, root: PID(42))
            return (nil, log)
        } catch {
            return (error, log)
        }
    }

    @Test func `action scripts are shell code or programs, and run in the work directory`() throws {
        let path = temporary.root + "/an action script"
        try Data("#!/bin/sh\necho $# program $CRTOOLS_SCRIPT_ACTION".utf8).write(to: URL(filePath: path))
        chmod(path, 0o755)
        let (failure, log) = actions(["pwd; echo code $CRTOOLS_INIT_PID $CRTOOLS_IMAGE_DIR", path])
        #expect(failure == nil)
        #expect(
            log == [
                "Running post-dump scripts", "/usr", "code 42 /proc/\(getpid())/fd/1", "0 program post-dump",
            ])
    }

    @Test func `every action script is called although one before it failed, and the first failure is told`()
    {
        let (failure, log) = actions(["exit 3", "echo second; exit 4"])
        #expect(failure?.effect == .fail)
        #expect(failure.map { "\($0)" } == "action script exit 3 at post-dump ended with exit 3")
        #expect(log.contains("second"))
    }
}
