import CPlatform
import Glibc

/// Who started a dump or a restore by CRIU's RPC, and is asked at each stage as a script is.
package protocol StageClient: AnyObject {
    /// Throws where the client wants no more of it. `root` is nil where there is none yet. The descriptor is given to the
    /// client with the message.
    func tell(
        _ stage: ActionScripts.Stage, root: PID?, lending descriptor: Int32?) throws(HookFailure)
    /// What the client wants to be taken for external, in the spelling of --external. The tree is frozen.
    func externalResources() throws(HookFailure) -> [String]
}

/// Calls action scripts as criu does: `--action-script`, a policy's `action-scripts`, and the client of an RPC.
package struct ActionScripts {
    /// The stages of CRIU that a tree of this build goes through.
    package enum Stage: String, Sendable {
        case preDump = "pre-dump"
        case postDump = "post-dump"
        case preRestore = "pre-restore"
        /// The root stands in namespaces of its own, and nothing else is there.
        case setupNamespaces = "setup-namespaces"
        case postSetupNamespaces = "post-setup-namespaces"
        /// A terminal's master that the tree does not have; for the client alone.
        case orphanMaster = "orphan-pts-master"
        case postRestore = "post-restore"
        /// Connections of a network namespace of the tree's own are held, and let go.
        case networkLock = "network-lock"
        case networkUnlock = "network-unlock"
        case preResume = "pre-resume"
        case postResume = "post-resume"
    }

    /// In the order in which they are called.
    private let scripts: [String]
    private let imageDirectory: Int32
    private let workDirectory: String
    private let log: (String) -> Void
    private let client: (any StageClient)?

    package var isEmpty: Bool { scripts.isEmpty && client == nil }

    /// `scripts` are paths or, where there is no such program, shell commands.
    ///
    /// `imageDirectory` stays open as long as scripts are called: they get at it through us. The work directory is
    /// where they run.
    package init(
        _ scripts: [String], imageDirectory: Int32, workDirectory: String,
        client: (any StageClient)? = nil, log: @escaping (String) -> Void
    ) {
        self.scripts = scripts
        self.client = client
        self.imageDirectory = imageDirectory
        self.workDirectory = workDirectory
        self.log = log
    }

    /// Calls every script, also after one that failed (criu/action-scripts.c, run_scripts). `root` is the root of the
    /// tree, nil where there is none yet. Throws where one failed.
    package func call(_ stage: Stage, root: PID?, until deadline: Deadline? = nil) throws(HookFailure) {
        if isEmpty { return }
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
        do throws(HookFailure) {
            try client?.tell(stage, root: root, lending: nil)
        } catch {
            log("\(error)")
            failure = failure ?? error
        }
        if let failure { throw failure }
    }

    /// Asks the client, where there is one. Scripts have no part in it, as with criu.
    package func externalResources() throws(HookFailure) -> [String] {
        try client?.externalResources() ?? []
    }

    /// Gives the client the master of a terminal. Throws where there is no client, or it does not want it.
    package func giveMaster(_ descriptor: Int32) throws(HookFailure) {
        guard let client else {
            throw HookFailure(
                subject: "master of a terminal", fact: "has nobody to take it", effect: .fail)
        }
        try client.tell(.orphanMaster, root: nil, lending: descriptor)
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
