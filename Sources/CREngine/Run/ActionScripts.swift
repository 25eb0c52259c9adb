import CPlatform
import Glibc

/// Calls action scripts as criu does: `--action-script`, and a policy's `action-scripts`.
package struct ActionScripts {
    /// The stages of CRIU that a tree of this build goes through.
    package enum Stage: String, Sendable {
        case preDump = "pre-dump"
        case postDump = "post-dump"
        case preRestore = "pre-restore"
        case postRestore = "post-restore"
        case preResume = "pre-resume"
        case postResume = "post-resume"
    }

    /// In the order in which they are called.
    private let scripts: [String]
    private let imageDirectory: Int32
    private let workDirectory: String
    private let log: (String) -> Void

    package var isEmpty: Bool { scripts.isEmpty }

    /// `scripts` are paths or, where there is no such program, shell commands.
    ///
    /// `imageDirectory` stays open as long as scripts are called: they get at it through us. The work directory is
    /// where they run.
    package init(
        _ scripts: [String], imageDirectory: Int32, workDirectory: String, log: @escaping (String) -> Void
    ) {
        self.scripts = scripts
        self.imageDirectory = imageDirectory
        self.workDirectory = workDirectory
        self.log = log
    }

    /// Calls every script, also after one that failed (criu/action-scripts.c, run_scripts). `root` is the root of the
    /// tree, nil where there is none yet. Throws where one failed.
    package func call(_ stage: Stage, root: PID?, until deadline: Deadline? = nil) throws(HookFailure) {
        if scripts.isEmpty { return }
        log("Running \(stage.rawValue) scripts")
        var failure: HookFailure?
        for script in scripts {
            var program = CalledProgram(words: words(script))
            program.directory = workDirectory
            program.environment = [
                ("CRTOOLS_SCRIPT_ACTION", stage.rawValue),
                ("CRTOOLS_IMAGE_DIR", "/proc/\(getpid())/fd/\(imageDirectory)"),
            ]
            if let root { program.environment.append(("CRTOOLS_INIT_PID", "\(root)")) }
            let fact: String
            switch program.run(until: deadline, printed: log) {
            case .exited(0): continue
            case .exited(let code): fact = "ended with exit \(code)"
            case .killed(let signal): fact = "died of \(SignalName(signal))"
            case .timedOut: fact = "took longer than the pause may be, and was killed"
            case .cancelled: fact = "was killed, as the run was told to stop"
            case .notStarted(let errno): fact = "cannot be started: \(errno)"
            }
            let subject = "action script \(script) at \(stage.rawValue)"
            log("\(subject) \(fact)")
            if failure == nil { failure = HookFailure(subject: subject, fact: fact, effect: .fail) }
        }
        if let failure { throw failure }
    }

    /// Criu takes the argument for a program; its manual says that it is shell code.
    private func words(_ script: String) -> [String] {
        let path = script.hasPrefix("/") ? script : "\(workDirectory)/\(script)"
        var facts = stat()
        let isProgram =
            script.contains("/") && stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
            && access(path, X_OK) == 0
        return isProgram ? [script] : ["/bin/sh", "-c", script]
    }
}
