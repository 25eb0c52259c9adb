import CPlatform

/// The birth of the root, with the namespaces that are the tree's own or given to it, and of all below it.
extension RestoreExecutor {
    func makeTree(
        _ builder: TreeBuilder, cgroups: CgroupBuilder, layout: StubLayout, vdso: OwnVDSO,
        birth: borrowing LenderAtBirth, lender: Lender, sessions: SessionTerminals,
        entered: (StubThread) throws(RestoreError) -> Void,
        prepare: @escaping (StubProcess, [TaskImage]) throws(RestoreError) -> Void
    ) throws(RestoreError) {
        let image = tree.tasks[0]
        let namespaces = NamespacesRestore(tree: tree, options: options)
        let session = options.shellJob ? nil : namespaces.session(of: tree, parent: options.parent)
        let user = UserNamespaceRestore(tree)
        func start() throws(RestoreError) -> RootStub.Started {
            try namespaces.given.whileInside { () throws(RestoreError) in
                try RootStub.start(
                    image.pid, session: session, namespaces: namespaces.made,
                    pidNamespace: namespaces.given.descriptors[.pid], parent: options.parent)
            }
        }
        let started = if let user { try user.born(start) } else { try start() }
        builder.note(started.pid.leader)
        faults.pass("the root is born")
        let joinsUser = namespaces.given.contains(.user)
        if !joinsUser { try user?.writeMaps(of: started.pid) }
        var root = try RootStub.seize(
            started.pid, layout: layout, vdso: vdso, inheritance: birth.inheritance, lender: lender.number)
        if let user, !joinsUser {
            try user.enter(root)
            // The privilege to choose is of the user namespace that owns the pid namespace.
            root.choosesIDs = namespaces.made.contains(.pid)
        }
        faults.pass("the root is seized")
        // The stub can no longer notice that this is closed: it is traced, and dies with us that way.
        _ = consume started
        if tree.ownNamespaceKinds.contains(.cgroup) { try cgroups.enterNamespace(root, image.threads[0]) }
        try namespaces.fill(root, lender: lender, contents: payload.open)
        if let user, joinsUser {
            try user.enter(root)
            root.choosesIDs = false
        }
        if !tree.ownNamespaceKinds.isEmpty || !namespaces.kinds.isEmpty { try entered(root) }
        let birth = namespaces.atBirth(session)
        if let clocks = tree.clocks, !namespaces.given.contains(.time) {
            try TimeNamespace.enter(root, clocks: clocks, lender: lender)
        }
        if image.process?.childSubreaper == true { try root.call("prctl", CP_SYS_prctl, 36, 1) }
        try builder.build(
            root: root, image: image, session: birth.session, group: birth.group, sessions: sessions,
            prepare: prepare)
    }

    /// From here on the tree's paths are those of its own mounts, where its files are looked for now.
    func enterMounts(
        _ root: StubThread, _ paths: TreePaths, _ keeper: RestoreKeeper
    ) throws(RestoreError) {
        faults.pass("the mounts are made")
        if !tree.remaps.isEmpty || hasBoundSockets { try keeper.enterMounts(of: PID(root.tid.rawValue)) }
        try paths.enter(root)
        let found =
            PreflightFiles(tree: tree, options: options).pathProblems(paths)
            + paths.inside { PreflightSockets(tree: tree, options: options).problems() }
        for problem in found.dropFirst() { log.error(problem.description) }
        if let first = found.first { throw first }
    }

    /// Whether sockets are given names of files.
    private var hasBoundSockets: Bool {
        tree.files.contains { file in
            if case .unixSocket(let socket) = file.content { socket.path != nil } else { false }
        }
    }
}
