import ArgumentParser
import CREngine
import Glibc
import PolicyModel

/// Brings a tree back, from a checkpoint of the store or from an image directory with CRIU's spellings of the options.
struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Restores a process tree from a checkpoint or an image directory.",
        discussion: """
            With a checkpoint, its digests are verified first (exit 8), and it is restored as its policy said. Without \
            one the images are those of -D, as `criu restore` has it.
            """)

    @Argument(help: "POLICY/TARGET/latest, a path, or the beginning of a name.") var checkpoint: String?
    @OptionGroup var store: StoreArguments
    @Flag(help: "Tell what stands in the way of a restore; restore nothing.") var plan = false
    @Option(name: [.customShort("D"), .customLong("images-dir")], help: "Directory of the images.")
    var givenDirectory: String?
    @Option(
        name: [.customShort("W"), .customLong("work-dir")], help: "Directory of log, pidfile and statistics.")
    var workDirectory: String?
    @Flag(name: [.customShort("d"), .customLong("restore-detached")], help: "Do not wait for the tree.")
    var isDetached = false
    @Flag(
        name: [.customShort("S"), .customLong("restore-sibling")], help: "Make the root a sibling of crplan.")
    var isSibling = false
    @Flag(name: [.customShort("s"), .customLong("leave-stopped")], help: "Leave the tasks stopped.")
    var leaveStopped = false
    @Option(name: [.customShort("o"), .customLong("log-file")], help: "Log file, in the work directory.")
    var logFile: String?
    @Flag(
        name: [.customShort("j"), .customLong("shell-job")],
        help: "The tree joins this session, group and terminal.")
    var shellJob = false
    @Option(
        name: .customLong("inherit-fd"),
        help: "fd[N]:NAME, descriptor N of crplan for what criu calls NAME; may be given again.")
    var inheritedFDs: [String] = []
    @Option(
        name: .customLong("external"),
        help: """
            mnt[KEY]:PATH or dev[NAME]:PATH, a mount or a device for what the dump called so, or mnt[]; veth[IN]:OUT[@BRIDGE], \
            macvlan[IN]:LOWER or netdev[IN]:LINK, what a link inside has outside; may be given again.
            """)
    var external: [String] = []
    @Flag(name: .customLong("log-pid"), help: "A log of each task, LOG.PID.")
    var logsTasks = false
    @Option(name: .customLong("pidfile"), help: "Write the root's pid to this file.")
    var pidfile: String?
    @Flag(
        name: [.customShort("l"), .customLong("file-locks")],
        help: "Take the locks and leases again that the images have, as is done without it too.")
    var fileLocks = false
    @Flag(
        name: .customLong("tcp-established"),
        help: "Bring connections back, as is the default; as criu has it.")
    var tcpEstablished = false
    @Flag(name: .customLong("orphan-pts-master"), help: .hidden)
    var givesMasters = false
    @Flag(name: .customLong("tcp-close"), help: "Bring TCP connections back as closed ones.")
    var tcpClose = false
    @Option(
        name: .customLong("cpu-cap"),
        help: "Compare this processor with the dump's: fpu, ins, cpu, all, none, with commas; ^ takes away.")
    var cpuCap: String?
    @Option(
        name: .customLong("manage-cgroups"),
        help: "What becomes of control groups: ignore, none, props, soft (the default), full or strict.")
    var manageCgroups: String?
    @OptionGroup var cgroupArguments: CgroupArguments
    @OptionGroup var mountArguments: MountArguments
    @OptionGroup var network: NetworkArguments
    @OptionGroup var joined: JoinedNamespaces
    @OptionGroup(visibility: .hidden) var dumpOnly: DumpOnlyOptions
    @Option(
        name: .customLong("action-script"),
        help: "Program or shell command to call at criu's stages; may be given again.")
    var actionScripts: [String] = []
    @Option(
        name: .customLong("pid-conflict"),
        help: "Where an id of the tree is taken: fail, or new-pid-namespace, in which the tree has its ids.")
    var pidConflict: String?
    @Option(name: .customLong("timeout"), help: "Give up after this many seconds.")
    var timeout = 0
    @Option(name: .customLong("file-validation"), help: "filesize or buildid.")
    var fileValidation = "buildid"
    @Flag(name: .customLong("skip-file-rwx-check"), help: "Do not compare permission bits of files.")
    var skipsModeCheck = false
    @Flag(
        name: [.customShort("x"), .customLong("ext-unix-sk")],
        help: "Connect streams to their servers outside again.")
    var reconnectsUnixSockets = false
    @Option(name: .customLong("ext-unix-sk-of"), help: .hidden)
    var ignoredInodes: [String] = []
    @Option(name: [.customShort("v", allowingJoined: true), .customLong("verbosity")], help: "0 to 4.")
    var verbosity = 2

    func validate() throws {
        guard checkpoint == nil || givenDirectory == nil else {
            throw ValidationError("a checkpoint and -D exclude each other")
        }
        guard (0...4).contains(verbosity) else { throw ValidationError("-v takes 0 to 4") }
        guard ["filesize", "buildid"].contains(fileValidation) else {
            throw ValidationError("--file-validation takes filesize or buildid")
        }
        if let cpuCap, ProcessorCheck(words: cpuCap) == nil {
            throw ValidationError(CRIUSpelling.processorRefusal(cpuCap))
        }
        if let manageCgroups, DumpSettings.Cgroups(rawValue: manageCgroups) == nil {
            throw ValidationError(CRIUSpelling.cgroupRefusal(manageCgroups))
        }
        for text in inheritedFDs where GivenDescriptor(text) == nil {
            throw ValidationError("--inherit-fd takes fd[NUMBER]:NAME, not \(text)")
        }
        for text in external
        where ExternalResource.place(ofDevice: text) == nil && !MountArguments.isForRestore(text) {
            if NetworkOutside.isOne(text) {
                guard let why = NetworkOutside.refusal(text) else { continue }
                throw ValidationError("--external \(text) \(why)")
            }
            let why =
                ExternalResource.isOfNamespaces(text)
                ? "is for a dump; a restore is given it by --inherit-fd fd[N]:NAME"
                : "is neither mnt[KEY]:PATH nor dev[NAME]:PATH; all else is given by --inherit-fd"
            throw ValidationError("--external \(text) \(why)")
        }
        if let pidConflict, RestoreSettings.PIDConflict(rawValue: pidConflict) == nil {
            throw ValidationError("--pid-conflict takes fail or new-pid-namespace, not \(pidConflict)")
        }
        guard timeout >= 0 else { throw ValidationError("--timeout takes a number of seconds") }
    }

    func run() throws {
        var place = Place(images: givenDirectory ?? ".", work: workDirectory ?? givenDirectory ?? ".")
        place.log = logFile
        place.isDetached = isDetached
        var hold: CheckpointHold?
        if let checkpoint {
            let found = try store.resolve(checkpoint)
            hold = try orFail { () throws(StoreError) in try CheckpointHold(found, .shared) }
            place = try Self.verified(found, self)
        }
        if plan { return try tellProblems(place) }
        if !place.isDetached { AttachedRoot.prepare() }
        let log = try openLog(place)
        let images = try NamedPath.directory(place.images)
        let calls = try calls(place, images: images.rawValue, log)
        let restored: RestoredTree
        do {
            try calls.begin()
            restored = try restore(place, log, calls)
        } catch {
            log.error("\(error)")
            log.error("Restoring FAILED.")
            if let putOff = calls.putOff {
                log.flush()
                if checkpoint != nil { print("skipped: \(putOff)") }
                throw ExitStatus.skipped.exit
            }
            for failure in calls.failed("\(error)") { printError("crplan: \(failure)") }
            if checkpoint != nil {
                printError("crplan: \(error)")
            } else if place.log != nil {
                EngineLog(descriptor: 2, level: .error).error("\(error)")
            }
            log.flush()
            throw ExitStatus.failed.exit
        }
        hold.take()?.end()
        let failures = calls.end(restored.root)
        for failure in failures { log.error("\(failure)") }
        _ = consume images
        log.info("Restore finished successfully. Tasks resumed.")
        log.flush()
        if checkpoint != nil {
            let inside = restored.inner.map { ", \($0) in a pid namespace of its own" } ?? ""
            print(
                "restored \(Counted.text(restored.tasks, "process", "processes")), root \(restored.root)\(inside)"
            )
        }
        for failure in failures { printError("crplan: the tree runs, and \(failure)") }
        if place.isDetached || isSibling {
            if failures.contains(where: { $0.effect == .abortRun }) { throw ExitStatus.failed.exit }
            return
        }
        switch try AttachedRoot.wait(
            for: restored.child, root: restored.root, terminal: restored.terminal)
        {
        case .exited(let code): throw ExitCode(code)
        case .killed(let signal): throw ExitCode(128 + signal)
        }
    }

    /// Restores the images of -D for a client that asked by RPC, and is asked at each stage. The root is our child where
    /// neither -d nor -S says otherwise.
    func restoreImages(_ log: EngineLog, for client: (any StageClient)?) throws -> PID {
        var place = Place(images: givenDirectory ?? ".", work: workDirectory ?? givenDirectory ?? ".")
        place.isDetached = isDetached
        let images = try NamedPath.directory(place.images)
        let calls = try calls(place, images: images.rawValue, log, client)
        try calls.begin()
        let root = try restore(place, log, calls).root
        for failure in calls.end(root) { log.error("\(failure)") }
        _ = consume images
        return root
    }

    /// The log of such a restore.
    func openLog() throws -> EngineLog {
        var place = Place(images: givenDirectory ?? ".", work: workDirectory ?? givenDirectory ?? ".")
        place.log = logFile
        return try openLog(place)
    }

    /// Where images are and where logs go.
    private struct Place {
        var images: String
        var work: String
        var log: String?
        var isDetached = true
        var shellJob = false
        var inherited: [String] = []
        var keepsHelperNames = false
        var cgroups = DumpSettings.Cgroups.soft
        var mounts = MountOutside(root: "/")
        var veth: [VethRule] = []
        var externalLinks: [String] = []
        var pidfile: String?
        var logsTasks = false
        var ifUnlocked = RestoreSettings.IfUnlocked.fail
        var pidConflict = RestoreSettings.PIDConflict.fail
        var hooks: [Hook] = []
        var scripts: [String] = []
        /// What hooks are told of the checkpoint.
        var environment: [(name: String, value: String)] = []

        func inWork(_ path: String) -> String { path.hasPrefix("/") ? path : work + "/" + path }
    }

    /// The place of a checkpoint that is as it was written; exit 8 with every damage otherwise.
    private static func verified(_ checkpoint: Checkpoint, _ command: RestoreCommand) throws -> Place {
        let problems = try orFail { () throws(StoreError) in try checkpoint.verify() }
        for problem in problems { printError("\(checkpoint.id): \(problem)") }
        if !problems.isEmpty { throw ExitStatus.verificationFailed.exit }
        let manifest = try orFail { () throws(StoreError) in try checkpoint.manifest() }
        let features = Set(manifest.host.cpuFeatures).subtracting(HostFacts.collect().cpuFeatures).sorted()
        if !features.isEmpty {
            printError(
                "crplan: warning: this processor lacks \(features.joined(separator: ", ")), which the dump's had"
            )
        }
        var place = Place(
            images: checkpoint.imagesPath, work: command.workDirectory ?? checkpoint.path,
            log: command.logFile ?? "restore.log",
            isDetached: command.isDetached || (manifest.restore.detach && manifest.restore.shellJob != true))
        place.shellJob = manifest.restore.shellJob == true
        place.inherited = manifest.restore.inheritFD
        place.cgroups = manifest.restore.cgroups ?? .soft
        if let mounts = manifest.restore.mounts { place.mounts = mounts }
        place.keepsHelperNames = manifest.helperNames != nil
        place.veth = manifest.restore.veth ?? []
        place.externalLinks = manifest.restore.externalLinks ?? []
        place.pidfile = manifest.restore.pidfile?.replacing("{target}", with: manifest.target).replacing(
            "{pid}", with: "\(manifest.tree.first?.pid ?? PID(0))")
        place.logsTasks = manifest.restore.logPID
        place.ifUnlocked = manifest.restore.ifUnlocked
        place.pidConflict = manifest.restore.pidConflict
        place.hooks = manifest.restore.hooks ?? []
        place.scripts = manifest.restore.actionScripts ?? []
        place.environment = [
            ("CRPLAN_POLICY", manifest.policy.name), ("CRPLAN_TARGET", manifest.target),
            ("CRPLAN_CHECKPOINT", checkpoint.path), ("CRPLAN_IMAGES", checkpoint.imagesPath),
        ]
        return place
    }

    /// What the policy had called, then what the command line asks for, the last one first as criu has it.
    private func calls(
        _ place: Place, images: Int32, _ log: EngineLog, _ client: (any StageClient)? = nil
    ) throws -> RestoreCalls {
        let scripts = ActionScripts(
            place.scripts + actionScripts.reversed(), imageDirectory: images,
            workDirectory: try DumpCommand.absolute(place.work), client: client
        ) { log.info($0) }
        return RestoreCalls(place.hooks, environment: place.environment, scripts: scripts, log: log)
    }

    private func tellProblems(_ place: Place) throws {
        let log = EngineLog(descriptor: 2, level: .error)
        let executor = try executor(place, log)
        let problems = try executor.problems()
        for problem in problems { print(problem) }
        if !problems.isEmpty { throw ExitStatus.blocked.exit }
        print("Nothing stands in the way of a restore.")
        if let notice = executor.notice { print(notice) }
    }

    private func executor(_ place: Place, _ log: EngineLog) throws -> RestoreExecutor {
        let directory = try NamedPath.directory(place.images)
        let tree = try ImageSet.read(from: directory)
        var options = RestoreOptions()
        options.parent = isSibling ? .sibling : place.isDetached ? .detached : .caller
        options.leaveStopped = leaveStopped
        options.pidfile = pidfile.map(place.inWork) ?? place.pidfile
        options.replacesPidfile = pidfile == nil
        options.shellJob = shellJob || place.shellJob
        // As criu has it, which joins the shell's terminal only where nobody takes a master.
        options.givesMasters = givesMasters && !options.shellJob
        if let check = cpuCap.flatMap({ ProcessorCheck(words: $0) }), !check.isEmpty {
            guard let processor = try ProcessorImage.read(from: directory) else {
                throw ValidationError("--cpu-cap: the images have no cpuinfo.img; dump with --cpu-cap")
            }
            options.processorProblems = processor.problems(on: .ofThisMachine(), check)
        }
        options.cgroups = manageCgroups.flatMap { DumpSettings.Cgroups(rawValue: $0) } ?? place.cgroups
        options.cgroupChoice = try cgroupArguments.choice()
        options.keepsHelperNames = place.keepsHelperNames
        for text in place.inherited + inheritedFDs {
            if let given = GivenDescriptor(text) { options.inherited[given.resource] = given.fd }
        }
        options.veth = place.veth
        options.externalLinks = place.externalLinks + external.filter(NetworkOutside.isOne)
        options.vethPairs = network.vethPairs
        options.emptiesNetwork = network.emptiesNetwork
        try joined.apply(to: &options)
        for text in external {
            guard let place = ExternalResource.place(ofDevice: text), !tree.mounts(device: place.name) else {
                continue
            }
            // Opened for the tree by what is behind it, with the flags that it had.
            options.inherited["dev[\(place.name)]"] = try OwnedFD.open(place.path, O_PATH).release()
        }
        options.mounts = place.mounts
        mountArguments.apply(to: &options.mounts, external: external)
        options.timeout = timeout
        options.fileCheck = fileValidation == "filesize" ? .size : .buildID
        options.skipsModeCheck = skipsModeCheck
        // A checkpoint was made by a policy that allowed what is in it.
        options.reconnectsUnixSockets = reconnectsUnixSockets || checkpoint != nil
        options.closesConnections = tcpClose
        options.ifUnlocked = place.ifUnlocked
        options.pidConflict =
            pidConflict.flatMap { RestoreSettings.PIDConflict(rawValue: $0) } ?? place.pidConflict
        return RestoreExecutor(tree: tree, directory: directory, options: options, log: log)
    }

    private func restore(_ place: Place, _ log: EngineLog, _ calls: RestoreCalls) throws -> RestoredTree {
        let restored = try executor(place, log).restore { (stage, root) throws(RestoreError) in
            try calls.call(stage, root)
        }
        for end in restored.outerEnds {
            let text = "link \(end.inner) of the tree has its outer end in \(end.name)"
            log.info(text)
            if checkpoint != nil { print(text) }
        }
        var stats = RestoreStatsImage()
        stats.forkingTime = UInt32(clamping: restored.forkingTime)
        stats.restoreTime = UInt32(clamping: restored.restoreTime)
        stats.pagesRestored = restored.pagesRestored
        do {
            try stats.write(to: try OwnedFD.open(place.work, O_RDONLY | O_DIRECTORY))
        } catch {
            // The tree runs; statistics that cannot be written do not make it fail.
            log.warning("\(error)")
        }
        return restored
    }

    private func openLog(_ place: Place) throws -> EngineLog {
        let level = EngineLog.Level(rawValue: max(verbosity, 1)) ?? .warning
        guard let log = place.log else { return EngineLog(descriptor: 2, level: level) }
        let opened = try NamedPath.log(place.inWork(log), level: level)
        if logsTasks || place.logsTasks { opened.taskPath = place.inWork(log) }
        return opened
    }
}
