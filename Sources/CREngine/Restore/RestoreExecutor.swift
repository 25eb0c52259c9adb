import CPlatform
import Glibc
import PolicyModel

/// Brings a tree back from its images: all of it, or nothing.
///
/// Until the last step every task is a stopped stub that dies with us. An error anywhere kills them all and takes
/// away what was made for them. All of it runs on the calling thread, which must not change: ptrace(2) ties a task
/// to the thread that seized it.
package struct RestoreExecutor {
    let tree: TreeImage
    let options: RestoreOptions
    let payload: ImagePayload
    let log: EngineLog
    let faults: FaultPoints
    private let started: UInt64
    /// Nil unless the tree gets a pid namespace for want of free ids.
    private let newNamespace: NewPIDNamespace?

    /// `directory` is where the images are that `tree` was read from.
    package init(
        tree: TreeImage, directory: consuming OwnedFD, options: RestoreOptions, log: EngineLog,
        faults: FaultPoints = FaultPoints()
    ) {
        let adopted = JoinedNamespaces.adopted(
            options.shellJob ? ShellTerminal.adopted(tree) : tree, options)
        newNamespace =
            options.pidConflict == .newPIDNamespace ? NewPIDNamespace(adopted, options) : nil
        self.tree = NamespaceIDs.forRestore(newNamespace?.tree ?? adopted)
        self.options = options
        self.log = log
        self.faults = faults
        payload = ImagePayload(directory: directory)
        started = Self.microseconds()
    }

    /// All that stands in the way of a restore, without making anything.
    package func problems() throws(RestoreError) -> [RestoreError] {
        let preflight = Preflight(
            tree: tree, options: options, payload: payload, vdso: try OwnVDSO(),
            credentials: try CredentialsBuilder(of: tree))
        if let problems = newNamespace?.problems, !problems.isEmpty { return problems }
        let processor = options.processorProblems.map { RestoreError("this processor", $0) }
        let network = NetworkRestore(tree: tree, options: options)
        return processor + (UserNamespaceRestore(tree)?.problems(tree) ?? []) + preflight.problems()
            + network.namespace.problems() + network.problems()
            + (try CgroupBuilder(tree: tree, options).problems(tree))
    }

    /// What is to be told of a restore that nothing stands in the way of; nil for nothing.
    package var notice: String? {
        guard let taken = newNamespace?.taken, let first = taken.first else { return nil }
        let more = taken.count == 1 ? "" : ", and \(taken.count - 1) more are taken"
        return "\(first.subject) \(first.fact)\(more): the tree gets a pid namespace of its own"
    }

    /// Restores. Of several obstacles the first is thrown and the others are logged. `call` is for programs of the
    /// operator, and gets the root.
    package func restore(
        call: (RestoreStage, PID) throws(RestoreError) -> Void = { _, _ in }
    ) throws(RestoreError) -> RestoredTree {
        let found = try problems()
        if let first = found.first {
            for problem in found.dropFirst() { log.error(problem.description) }
            throw first
        }
        if let notice { log.info(notice) }
        faults.pass("nothing is made yet")
        let environment = try OwnEnvironment()
        let cgroups = try CgroupBuilder(tree: tree, options)
        let builder = TreeBuilder(tree: tree)
        let paths = TreePaths(acting: tree.namespaces.user.flatMap { ActingIDs($0.users, $0.groups) })
        let keeper = RestoreKeeper()
        let names = RemapNames(
            tree: tree, source: payload, keepsHelpers: options.keepsHelperNames, paths: paths, keeper: keeper)
        let systemV = SystemVObjects(tree: tree, pages: payload, keeper: keeper)
        let network = NetworkRestore(tree: tree, options: options)
        do throws(RestoreError) {
            let result = try build(
                builder, names: names, systemV: systemV, cgroups: cgroups, network: network,
                keeper: keeper, affinity: environment.affinity
            ) {
                (stage, root) throws(RestoreError) in
                try environment.asBefore { () throws(RestoreError) in try call(stage, root) }
            }
            names.finish()
            systemV.keep()
            keeper.finish()
            return result
        } catch {
            // While the tree's mounts are still there.
            names.removeTemporaries()
            kill(builder.made)
            network.namespace.giveLinksBack()
            removeMade(systemV)
            cgroups.undo()
            keeper.finish()
            throw error
        }
    }

    /// Those in a namespace of the tree's own have gone with it.
    private func removeMade(_ systemV: SystemVObjects) {
        if tree.ownNamespaceKinds.contains(.ipc) { return }
        guard let joined = options.joined[.ipc] else { return systemV.removeMade() }
        do throws(NamespaceVisit.Failure) {
            try NamespaceVisit.run(.ipc, descriptor: joined, refusal: { $0 }) {
                () throws(NamespaceVisit.Failure) in
                systemV.removeMade()
            }
        } catch {
            log.error("\(error); what of System V IPC was made there is left")
        }
    }

    private func build(
        _ builder: TreeBuilder, names: RemapNames, systemV: SystemVObjects, cgroups: CgroupBuilder,
        network: NetworkRestore, keeper: RestoreKeeper, affinity: [UInt64],
        call: (RestoreStage, PID) throws(RestoreError) -> Void
    ) throws(RestoreError) -> RestoredTree {
        let began = Self.microseconds()
        let vdso = try OwnVDSO()
        let layout = try StubLayout(tree: tree, vdso: vdso)
        let number = (tree.tasks.flatMap(\.descriptors).map(\.fd).max() ?? 2) + 1
        let ofOurOwn = 64
        payload.makeRoom(for: tree.files.count + ofOurOwn)
        let birth = try LenderAtBirth(hasUserNamespace: tree.ownNamespaceKinds.contains(.user))
        let lender = birth.lender(at: number)
        try network.begin()
        faults.pass("connections locked")
        let files = OpenFiles(
            tree: tree, names: names, pages: payload, network: network, inherited: options.inherited,
            givesMasters: options.givesMasters)
        if !tree.ownNamespaceKinds.contains(.mount) { try files.terminals.prepare() }
        let sessions = SessionTerminals(lender: lender, terminals: files.terminals)
        if let joined = options.joined[.ipc], !tree.systemV.isEmpty { try keeper.enterIPC(joined) }
        try cgroups.make(keeper: keeper)
        faults.pass("control groups are made")
        let namespaces = NamespacesRestore(tree: tree, options: options)
        let queues = PosixQueues(tree: tree)
        let memory = MemoryBuilder(
            layout: layout, vdso: vdso, lender: lender, files: files, pages: payload,
            systemV: systemV, affinity: affinity)
        try makeTree(
            builder, cgroups: cgroups, layout: layout, vdso: vdso, birth: birth, lender: lender,
            sessions: sessions,
            entered: { (root) throws(RestoreError) in
                // Some are opened by paths of the mounts.
                try namespaces.visit(.ipc, root) { () throws(RestoreError) in try queues.make(files) }
                try network.namespace.build(in: PID(root.tid.rawValue))
                faults.pass("the network namespace is built")
                if tree.ownNamespaceKinds.contains(.mount) {
                    try enterMounts(root, names.paths, keeper)
                    try files.terminals.prepare()
                }
                try call(.namespacesMade, PID(root.tid.rawValue))
            }
        ) {
            (process, children) throws(RestoreError) in
            let areas = memory.handedDown(by: process, to: children)
            if areas.isEmpty { return }
            // Memory is charged to whoever has it when it is filled.
            try cgroups.place(process.leader, process.image.threads[0], leader: nil)
            try memory.prepare(process, areas)
        }
        try NestedNamespacesRestore(tree: tree).make(builder.processes, lender: lender)
        faults.pass("namespaces within the tree are made")
        files.know(builder.processes)
        let forked = Self.microseconds()
        faults.pass("processes made")
        log.info("made \(builder.processes.count) processes in \(forked - began) us")

        let threads = ThreadBuilder(affinity: affinity)
        try endZombies(builder, threads)
        faults.pass("zombies have ended")
        let live = builder.processes.filter { !$0.isZombie }
        // Below an init that was made for it.
        let ours = newNamespace == nil ? live[...] : live.dropFirst()
        let root = ours.first?.host ?? live[0].host
        try files.terminals.giveMasters { (master) throws(RestoreError) in
            try call(.masterMade(master), root)
        }
        let descriptors = DescriptorBuilder(lender: lender, files: files)
        var pages: UInt64 = 0
        try namespaces.visit(.ipc, live[0].leader) { () throws(RestoreError) in
            try systemV.makeSegments(Array(ours))
        }
        for process in live {
            try checkTime()
            if let image = process.image.process { try setLoginID(process, image, lender) }
            try cgroups.place(process.leader, process.image.threads[0], leader: nil)
            if let image = process.image.memory { pages += try memory.build(process, image) }
            faults.pass("a process has its memory")
            if let fs = process.image.fs { try descriptors.placeDirectories(process, fs) }
            if !process.sharesDescriptors {
                try descriptors.placeDescriptors(process) { !files.isMadeInTask($0.file) }
            }
            faults.pass("a process has its files")
            try threads.makeOthers(process, noting: builder.note)
            for (thread, image) in zip(process.others, process.image.threads.dropFirst()) {
                try cgroups.place(thread, image, leader: process.image.threads[0])
            }
            log.task(
                process.pid, .debug,
                "memory, \(process.image.descriptors.count) files and \(process.threads.count) threads are there"
            )
        }
        try memory.filling.finish()
        faults.pass("all memory is filled")
        files.know(builder.processes)
        try files.openPassed(tree.socketPackets)
        try files.seal()
        faults.pass("sockets made")
        try namespaces.visit(.ipc, live[0].leader) { () throws(RestoreError) in
            try systemV.complete(Array(ours))
        }
        try checkTime()
        for process in live {
            try setProcessState(process, threads, lender: lender)
            log.task(process.pid, .debug, "signals, timers, limits and flags are set")
        }
        faults.pass("signals and limits are set")
        let socketNames = SocketNames(names.paths, user: tree.namespaces.user, keeper: keeper)
        func taskFiles(_ lender: Lender) -> TaskFiles {
            TaskFiles(tree: tree, live: live, files: files, socketNames: socketNames, lender: lender)
        }
        try taskFiles(lender).makeEarly()
        let channel = try LenderChannel()
        for process in live where !process.sharesDescriptors {
            try channel.install(in: process.leader, by: lender)
        }
        let seccomp = SeccompBuilder(filters: tree.seccompFilters)
        let credentials = try CredentialsBuilder(of: tree)
        for process in live {
            // The last thing that takes privileges; no filter bites before the task is let go.
            try seccomp.install(process)
            try setCredentials(process, credentials)
            log.task(process.pid, .debug, "credentials of \(process.threads.count) threads are set")
        }
        faults.pass("credentials are set")
        try taskFiles(channel.lender(at: lender.number)).make()
        faults.pass("tasks have made their files")
        let owned = self.owned
        for process in live { try setOwners(process, owned) }
        for process in live where !process.sharesDescriptors {
            try process.leader.call("close", CP_SYS_close, Int(lender.number))
        }
        _ = consume channel
        files.closeAll()
        for process in live { try DescriptorLimit.settle(process) }
        names.removeTemporaries()
        try files.notify.watch()
        faults.pass("descriptors placed")
        try FileLockBuilder(tree: tree).take(live)
        try queues.notify(live)
        try cgroups.limit()
        try network.namespace.connect()
        faults.pass("all is there")
        try call(.complete, root)
        try checkTime()
        if let pidfile = options.pidfile {
            if !options.replacesPidfile { try keeper.prepare() }
            try writePidfile(pidfile, root)
            if !options.replacesPidfile { try keeper.note(.pidfile(pidfile)) }
        }
        faults.pass("the pidfile is written")
        var handover: TerminalHandover?
        do throws(RestoreError) {
            if tree.ownNamespaceKinds.contains(.net) { try call(.networkRelease, root) }
            try call(.beforeResume, root)
            handover = try handTerminal()
            try resume(live, files, network, cgroups, keeper)
        } catch {
            try? handover?.takeBack()
            if let pidfile = options.pidfile { _ = unlink(pidfile) }
            throw error
        }
        socketNames.keep()
        return RestoredTree(
            root: root, child: live[0].host, inner: newNamespace == nil ? nil : ours.first?.pid,
            terminal: handover, outerEnds: network.namespace.ends,
            tasks: ours.count,
            pagesRestored: pages,
            forkingTime: forked - began,
            restoreTime: Self.microseconds() - started)
    }

    /// Timers late, so that as little as can be of them is lost.
    private func resume(
        _ live: [StubProcess], _ files: OpenFiles, _ network: NetworkRestore, _ cgroups: CgroupBuilder,
        _ keeper: RestoreKeeper
    ) throws(RestoreError) {
        for process in live {
            guard let image = process.image.process else { continue }
            for id in try TimerBuilder.arm(process, image) {
                log.task(
                    process.pid, .warning, "the overruns of its POSIX timer \(id) cannot be counted again")
            }
        }
        try files.armTimers()
        faults.pass("timers are armed")
        try checkTime()
        try commit(live, network, cgroups, keeper)
    }

    /// The shell's terminal goes to the tree just before it runs.
    private func handTerminal() throws(RestoreError) -> TerminalHandover? {
        let given = GivenFiles(tree: tree, inherited: options.inherited).ids
        guard options.shellJob, let side = ShellTerminal.side(of: tree, except: given),
            let handover = try TerminalHandover.prepare(side, tree)
        else { return nil }
        try RestoreError.about("terminal of stdin", "cannot be handed to the tree") {
            () throws(Errno) in try handover.give()
        }
        return handover
    }

    private func endZombies(_ builder: TreeBuilder, _ threads: ThreadBuilder) throws(RestoreError) {
        for process in builder.processes {
            guard case .dead(let status) = process.image.state else { continue }
            try threads.name(process.leader, process.image.threads[0])
            let parent = builder.processes.first { $0.pid == process.image.parent }
            try ZombieEnding.end(process, status: status, parent: parent?.leader)
        }
    }

    private func setProcessState(
        _ process: StubProcess, _ threads: ThreadBuilder, lender: Lender
    ) throws(RestoreError) {
        guard let image = process.image.process else { return }
        for (thread, threadImage) in zip(process.threads, process.image.threads) {
            try threads.prepare(thread, threadImage)
        }
        try ProcessBuilder.setSignalActions(process.leader, image)
        try ProcessBuilder.setFlags(process, image)
        try TimerBuilder.makePosixTimers(process.leader, image)
        try ProcessBuilder.queueSignals(process, image)
        try ProcessBuilder.setLimits(process, image, lender: lender.number)
    }

    /// Whose login it comes from, for the audit log; threads inherit it. Only the task itself may write it.
    private func setLoginID(
        _ process: StubProcess, _ image: ProcessImage, _ lender: Lender
    ) throws(RestoreError) {
        let path = "/proc/\(process.host)/loginuid"
        guard let wanted = image.loginuid, let text = try? ProcText.read(path),
            let now = UInt32(text.prefix { $0 != "\n" }), now != wanted
        else { return }
        // Opened by us, as the number is one of our user namespace, and the task's own /proc may lead elsewhere.
        let file = try RestoreError.about(path, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open(path, O_WRONLY)
        }
        try lender.lend(file.rawValue, to: process.leader) { (fd) throws(RestoreError) -> Void in
            let digits = Array("\(wanted)".utf8)
            let result = try process.leader.attempt(
                "write", CP_SYS_write, fd, try process.leader.put(digits), digits.count)
            if case .failure(let errno) = result {
                log.task(
                    process.pid, .warning,
                    "its login uid \(wanted) cannot be set (\(errno)); it has that of whoever restores")
            }
        }
    }

    /// Ids and capabilities, then what they would clear: the parent-death signal and the dumpable flag.
    private func setCredentials(
        _ process: StubProcess, _ credentials: CredentialsBuilder
    ) throws(RestoreError) {
        for (thread, image) in zip(process.threads, process.image.threads) {
            try credentials.apply(image.credentials, to: thread)
            if let signal = image.parentDeathSignal, signal != 0 {
                try thread.call("prctl", CP_SYS_prctl, 1, Int(signal))
            }
        }
        switch process.image.memory?.dumpable {
        case .some(let value) where value == 0 || value == 1:
            try process.leader.call("prctl", CP_SYS_prctl, 4, Int(value))
        case .some(let value):
            log.task(
                process.pid, .warning, "dumpable flag \(value) can be set by nobody; left as it is")
        case .none: break
        }
    }

    /// Files whose signals go to somebody, with their flags.
    private var owned: [UInt32: (owner: OwnerImage, flags: UInt32)] {
        var result: [UInt32: (owner: OwnerImage, flags: UInt32)] = [:]
        for file in tree.files where tree.streams[file.id] == nil {
            if let (owner, flags) = file.content.ownership { result[file.id] = (owner, flags) }
        }
        return result
    }

    private func setOwners(
        _ process: StubProcess, _ owned: [UInt32: (owner: OwnerImage, flags: UInt32)]
    ) throws(RestoreError) {
        for descriptor in process.image.descriptors {
            guard let (owner, flags) = owned[descriptor.file] else { continue }
            try DescriptorBuilder.setOwner(process.leader, fd: descriptor.fd, owner, flags: flags)
        }
    }

    /// Final registers for all, then everyone is let go. Connections are unlocked in between, as late as can be: should
    /// we die before, they are in repair and locked, and another restore finds all as we did.
    private func commit(
        _ live: [StubProcess], _ network: NetworkRestore, _ cgroups: CgroupBuilder, _ keeper: RestoreKeeper
    ) throws(RestoreError) {
        // The stop of a child leaves a SIGCHLD in its parent, which the image does not have.
        for process in live.reversed() where process.isStopped {
            try finish(process)
            try StopRequest.stop(process)
            let parent = live.first { $0.pid == process.image.parent }
            if let parent, !parent.isStopped, !ProcessBuilder.hasPendingChildSignal(parent.image) {
                try ChildSignal.drain(parent.leader)
            }
        }
        let running = live.filter { !$0.isStopped }
        for process in running { try finish(process) }
        faults.pass("registers are set")
        try cgroups.freeze()
        faults.pass("before unlocking")
        try network.release()
        keeper.yield()
        try StopRequest.release(live.filter(\.isStopped))
        try release(running)
        network.namespace.yieldLinks()
    }

    /// No system call can be made in the process after this.
    private func finish(_ process: StubProcess) throws(RestoreError) {
        try MemoryBuilder.seal(process)
        let scratch = Int(process.leader.scratch.rawValue)
        try process.leader.call("munmap", CP_SYS_munmap, scratch, StubLayout.mappedSize)
        for (thread, image) in zip(process.threads, process.image.threads) {
            try FinalState.set(thread, image, of: process.image)
        }
    }

    private func release(_ processes: [StubProcess]) throws(RestoreError) {
        if options.leaveStopped {
            for process in processes.reversed() { try StopRequest.detachStopped(process) }
            return
        }
        try RestoreError.about("tree of \(tree.tasks[0].pid)", "cannot be let go") {
            () throws(Errno) -> Void in
            let threads = processes.flatMap(\.threads)
            for thread in threads { try Ptrace.setOptions(thread.tid, 0) }
            for thread in threads { try Ptrace.detach(thread.tid) }
        }
    }

    private func writePidfile(_ path: String, _ pid: PID) throws(RestoreError) {
        try RestoreError.about(path, "pidfile cannot be written") { () throws(Errno) -> Void in
            // One that is to be replaced is never seen half written.
            let name = options.replacesPidfile ? "\(path).\(getpid())" : path
            let file = try OwnedFD.open(
                name, O_WRONLY | O_CREAT | O_EXCL, mode: options.replacesPidfile ? 0o644 : 0o600)
            try file.writeAll(Array("\(pid)".utf8) + (options.replacesPidfile ? [0x0a] : []))
            if options.replacesPidfile, rename(name, path) != 0 {
                let refusal = Errno(rawValue: errno)
                _ = unlink(name)
                throw refusal
            }
        }
    }

    /// Kills what was made, and waits until it is gone, so that its ids are free again.
    private func kill(_ made: [TID]) {
        for tid in made { _ = cp_syscall(CP_SYS_kill, Int(tid.rawValue), 9, 0, 0, 0, 0) }
        Wait.untilEnded(made)
    }

    private func checkTime() throws(RestoreError) {
        if let signal = OwnEnvironment.endingSignal() {
            throw RestoreError("restore", "was told to end by signal \(signal); nothing was restored")
        }
        let elapsed = Self.microseconds() - started
        if options.timeout > 0 && elapsed > UInt64(options.timeout) * 1_000_000 {
            throw RestoreError(
                "restore", "was not done within \(options.timeout) s; nothing was restored",
                remedy: "give it a longer timeout")
        }
    }

    private static func microseconds() -> UInt64 {
        MonotonicClock.now() / 1000
    }
}
