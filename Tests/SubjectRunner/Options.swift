import CREngine

/// What one run of the runner does, from its command line.
struct Options {
    /// The checkpoint tool: `crplan`, or a stock `criu`; both take the same plumbing options.
    var tool = ""
    /// What goes before the tool's own words.
    var toolWords: [String] = []
    /// The tool of the steps that begin with `other-`; empty where there are none.
    var otherTool = ""
    /// The program that holds the subjects.
    var subject = ""
    /// Where the run's own directory is made.
    var work = "/tmp"
    /// Seconds for the whole run, the wait for the lock not counted.
    var timeout = 60.0
    /// Leave the run's directory behind.
    var keep = false
    var steps: [Step] = []
    /// The tool's arguments where its tracer is made to die; `{pid}` is the root, `{dir}` a directory for images.
    var tracer = ["internal", "examine", "{pid}"]
    /// Options handed on to `dump` and to `restore`.
    var dumpOptions: [String] = []
    var restoreOptions: [String] = []
    /// Descriptors that lead elsewhere after a restore, as the policy says.
    var elsewhere: Set<Int32> = []
    /// The subject gets namespaces of its own: options of unshare(1). In a pid namespace it is the init.
    var namespaces: [String] = []
    var hasOwnPIDs: Bool { namespaces.contains("--pid") }
    /// It is root of a user namespace, and an ordinary user outside.
    var isMapped: Bool { namespaces.contains("--user") }
    /// Commands of a shell that set up those namespaces, before the subject starts in the shell's place.
    var inside = ""
    /// The subject's name and its arguments.
    var subjectArguments: [String] = []

    static let usage = """
        usage: subject-runner --tool PATH --steps STEP[,STEP…] [options] NAME [ARGUMENT…]
          steps: dump restore dump-running dump-stopped dump-blocked cycle:N pause:SECONDS check
                 take-ids     processes of the runner take the ids of the tree that was dumped last
                 forget-ipc   removes what outlived the tree of the System V IPC in its images
                 kill-points[:mode=MODE][:every=N][:from=N][:count=N][:signal=N] kill-random:N   for the subject killtarget
                 trace:N   the tool as for the kill steps, so often; it may fail, the tree must not notice
          --other-tool PATH       the tool of steps with other- before them, as in dump,other-restore
          --past-planner ALLOW    dump whatever the planner says, with these allowances, `{}` for none
          --subject PATH          the program with the subjects; default: beside this one
          --work DIR              where the run's directory is made; default /tmp
          --timeout SECONDS       for the whole run; default 60
          --tracer WORDS          how the kill steps start the tool; default "internal examine {pid}"
          --dump-option OPTION    handed on to `dump`; may be repeated
          --restore-option OPTION handed on to `restore`; may be repeated
          --elsewhere FD          a descriptor that leads elsewhere after a restore; may be repeated
          --namespaces LIST       run the subject under `unshare --KIND,…`, with its own namespaces of these kinds;
                                  with `user` its ids are others outside, with `user,ordinary` there is no id 0
          --inside COMMANDS       run by sh(1) in those namespaces first; a network namespace gets its lo up by itself
          --keep                  leave the run's directory
        """

    /// Reads a command line without the program's name.
    init(_ words: [String], beside directory: String) throws(RunFailure) {
        subject = directory + "/subject"
        var rest = words[...]
        while let word = rest.first, word.hasPrefix("--") {
            rest.removeFirst()
            if word == "--keep" {
                keep = true
                continue
            }
            guard let value = rest.popFirst() else { throw RunFailure("\(word) needs a value") }
            switch word {
            case "--tool": tool = value
            case "--other-tool": otherTool = value
            case "--past-planner":
                tool = "/proc/self/exe"
                toolWords = ["past-planner", value]
            case "--subject": subject = value
            case "--work": work = value
            case "--tracer": tracer = value.split(separator: " ").map(String.init)
            case "--dump-option": dumpOptions.append(value)
            case "--restore-option": restoreOptions.append(value)
            case "--elsewhere":
                guard let number = Int32(value) else {
                    throw RunFailure("--elsewhere \(value): not a number")
                }
                elsewhere.insert(number)
            case "--namespaces":
                namespaces = value.split(separator: ",").map { $0 == "mnt" ? "--mount" : "--\($0)" }
            case "--inside": inside += value + "\n"
            case "--timeout":
                guard let seconds = Double(value) else {
                    throw RunFailure("--timeout \(value): not a number")
                }
                timeout = seconds
            case "--steps":
                for name in value.split(separator: ",") { steps += try Step.parse(String(name)) }
            default: throw RunFailure("\(word): no such option")
            }
        }
        subjectArguments = Array(rest)
        if tool.isEmpty || steps.isEmpty || subjectArguments.isEmpty { throw RunFailure(Self.usage) }
        if otherTool.isEmpty, steps.contains(where: \.isByOtherTool) {
            throw RunFailure("a step begins with other-, and there is no --other-tool")
        }
    }
}

/// One step of a run.
indirect enum Step: Equatable, CustomStringConvertible {
    /// Dump and kill; the whole tree must be gone.
    case dump
    /// Restore what was dumped last.
    case restore
    /// Dump and leave running; the tree must be what it was.
    case dumpRunning
    /// Dump and leave stopped, then wake the tree.
    case dumpStopped
    /// A dump that must be refused; the tree must be what it was.
    case dumpBlocked
    /// Let time pass.
    case pause(Double)
    /// Remove the objects of System V IPC that the last dump has and that outlived the tree, as a reboot does.
    case forgetIPC
    /// Take the ids of the tree that was dumped last: from here on it is restored in a pid namespace of its own.
    case takeIDs
    /// Ask the subject for its verdict.
    case check
    /// Let the tracer die at its numbered points.
    case killPoints(KillPlan)
    /// Run the tracer so often while the tree changes.
    case trace(Int)
    /// Let the tracer die so often at any moment.
    case killRandom(Int)

    /// A step done with the other tool.
    case byOtherTool(Step)

    /// The steps that a word of the command line stands for.
    static func parse(_ word: String) throws(RunFailure) -> [Step] {
        if word.hasPrefix("other-") { return try parse(String(word.dropFirst(6))).map { .byOtherTool($0) } }
        let words = word.split(separator: ":").map(String.init)
        if words.first == "kill-points" { return [.killPoints(try KillPlan(words.dropFirst()))] }
        let parts = word.split(separator: ":", maxSplits: 1).map(String.init)
        switch (parts[0], parts.count > 1 ? Double(parts[1]) : nil) {
        case ("dump", nil): return [.dump]
        case ("restore", nil): return [.restore]
        case ("dump-running", nil): return [.dumpRunning]
        case ("dump-stopped", nil): return [.dumpStopped]
        case ("dump-blocked", nil): return [.dumpBlocked]
        case ("check", nil): return [.check]
        case ("forget-ipc", nil): return [.forgetIPC]
        case ("take-ids", nil): return [.takeIDs]
        case ("pause", let seconds?): return [.pause(seconds)]
        case ("trace", let count?): return [.trace(Int(count))]
        case ("kill-random", let count?): return [.killRandom(Int(count))]
        case ("cycle", let count?):
            return Array(repeating: [.dump, .restore], count: Int(count)).flatMap(\.self)
        default: throw RunFailure("\(word): no such step")
        }
    }

    var description: String {
        switch self {
        case .dump: "dump"
        case .restore: "restore"
        case .dumpRunning: "dump-running"
        case .dumpStopped: "dump-stopped"
        case .dumpBlocked: "dump-blocked"
        case .pause(let seconds): "pause:\(seconds)"
        case .check: "check"
        case .forgetIPC: "forget-ipc"
        case .takeIDs: "take-ids"
        case .killPoints(let plan): plan.description
        case .trace(let count): "trace:\(count)"
        case .killRandom(let count): "kill-random:\(count)"
        case .byOtherTool(let step): "other-\(step)"
        }
    }

    var isByOtherTool: Bool {
        if case .byOtherTool = self { true } else { false }
    }
}

/// Why a run ended badly, in one line, and the end of the log that belongs to it.
struct RunFailure: Error {
    let reason: String
    var log: String = ""

    init(_ reason: String, log: String = "") {
        self.reason = reason
        self.log = log
    }
}

/// Names what an error number was about.
func failing<T: ~Copyable>(_ what: String, _ body: () throws(Errno) -> T) throws(RunFailure) -> T {
    do throws(Errno) {
        return try body()
    } catch {
        throw RunFailure("\(what): \(error)")
    }
}
