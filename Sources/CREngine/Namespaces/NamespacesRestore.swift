import CPlatform
import Glibc

/// Makes the namespaces of a tree again: its root is born into empty ones, which are filled before it has children.
struct NamespacesRestore {
    /// Those that the tree does not share with us.
    let kinds: Set<NamespaceKind>
    /// Those that the root is born into. A cgroup namespace is made later, from the groups that are to be its roots.
    let made: Set<NamespaceKind>
    let given: GivenNamespaces
    private let image: NamespacesImage
    private let isSessionOutside: Bool
    private let outside: MountOutside

    init(tree: TreeImage, options: RestoreOptions) {
        outside = options.mounts
        given = GivenNamespaces(tree: tree, options: options)
        kinds = tree.ownNamespaceKinds.union(given.descriptors.keys).subtracting([.cgroup])
        made = kinds.subtracting(given.descriptors.keys)
        image = tree.namespaces
        isSessionOutside = tree.tasks.first?.sid == PID(0)
    }

    /// The session to make for the root; nil where it is born into ours.
    func session(of tree: TreeImage, parent: RestoreOptions.Parent) -> PID? {
        // From inside, all sessions outside are 0; one without a leader has no terminal that could reach in.
        if kinds.contains(.pid), isSessionOutside, parent != .sibling {
            return PID(Int32(CP_STUB_ANY_SESSION))
        }
        return tree.deadSession
    }

    /// Session and group of the root at its birth, in its own numbers.
    func atBirth(_ session: PID?) -> (session: Int32, group: Int32) {
        if kinds.contains(.pid) { return (0, 0) }
        return (session?.rawValue ?? getsid(0), session?.rawValue ?? getpgrp())
    }

    /// What of the mounts cannot be had, without making anything.
    static func mountProblems(_ tree: TreeImage, _ options: RestoreOptions) -> [RestoreError] {
        guard let mounts = tree.namespaces.mounts else { return [] }
        do throws(RestoreError) {
            let plan = try MountPlan(mounts, options.mounts)
            return plan.steps.compactMap { step in
                guard case .outside(let path, _) = step.source, access(path, F_OK) != 0 else { return nil }
                return RestoreError(
                    path, "is to be mounted at \(step.mount.mountPoint)", errno: Errno(rawValue: errno))
            }
        } catch {
            return [error]
        }
    }

    /// Enters those that are given, and fills the others that `root` stands in; `contents` opens an archive of the image.
    func fill(
        _ root: StubThread, lender: Lender, contents: (String) throws(ImageError) -> OwnedFD?
    ) throws(RestoreError) {
        try given.enter(root, lender: lender)
        if let mounts = image.mounts {
            let plan = try MountPlan(mounts, outside)
            var user: OwnedFD?
            if kinds.contains(.user) {
                user = try RestoreError.about("task \(root.tid)", "its user namespace cannot be opened") {
                    () throws(Errno) in try OwnedFD.open("/proc/\(root.tid)/ns/user", O_RDONLY)
                }
            }
            try MountBuilder.build(
                plan, in: root, lender: lender, userNamespace: user?.rawValue, contents: contents)
        }
        if let names = image.hostNames { try Self.setNames(names, root) }
        if let settings = image.ipc {
            try visit(.ipc, root) { () throws(RestoreError) in try Self.set(settings, image.user) }
        }
    }

    /// Of the calling thread's ipc namespace. Those of one that another user namespace owns are its root's to write.
    static func set(_ settings: IPCSettingsImage, _ user: UserNamespaceImage?) throws(RestoreError) {
        guard let acting = user.flatMap({ ActingIDs($0.users, $0.groups) }) else {
            return try write(settings)
        }
        try acting.run { () throws(RestoreError) in try write(settings) }
    }

    static func setNames(_ names: HostNamesImage, _ root: StubThread) throws(RestoreError) {
        let calls = [
            ("sethostname", CP_SYS_sethostname, names.host),
            ("setdomainname", CP_SYS_setdomainname, names.domain),
        ]
        for (call, number, name) in calls {
            let bytes = Array(name.utf8)
            try root.call(call, number, try root.put(bytes + [0]), bytes.count)
        }
    }

    /// Does something in a namespace of the tree, or where we are if it has none of its own.
    func visit<Value>(
        _ kind: NamespaceKind, _ root: StubThread, _ errand: () throws(RestoreError) -> Value
    ) throws(RestoreError) -> Value {
        guard kinds.contains(kind) else { return try errand() }
        return try NamespaceVisit.run(
            kind, of: PID(root.tid.rawValue),
            refusal: { RestoreError("task \(root.tid)", "\($0)") }, errand)
    }

    /// Of the calling thread's namespace. What has its value already is left alone, as the kernel refuses some values that
    /// it gives itself.
    private static func write(_ settings: IPCSettingsImage) throws(RestoreError) {
        let now = IPCSettingsImage.own()
        if settings.semaphores != now.semaphores {
            try write("kernel/sem", settings.semaphores.map { "\($0)" }.joined(separator: " "))
        }
        for variable in IPCSettingsImage.Variable.allCases {
            guard let wanted = settings.values[variable], let has = now.values[variable], wanted != has else {
                continue
            }
            try write(variable.rawValue, "\(wanted)")
        }
    }

    private static func write(_ name: String, _ text: String) throws(RestoreError) {
        try RestoreError.about("/proc/sys/\(name)", "cannot be set to \(text) in the tree's ipc namespace") {
            () throws(Errno) in try ProcText.write("/proc/sys/\(name)", text)
        }
    }
}
