import CPlatform
import Glibc

/// Makes the user namespace of a tree again. The root is born into it with all capabilities in it and with ids that it may
/// not have; we give it its maps from outside. See user_namespaces(7).
struct UserNamespaceRestore {
    private let image: UserNamespaceImage

    /// Nil for a tree that lives in ours.
    init?(_ tree: TreeImage) {
        guard tree.ownNamespaceKinds.contains(.user), let image = tree.namespaces.user else { return nil }
        self.image = image
    }

    /// What every stub of the tree has, from inside.
    func credentials(lastCapability: Int, noNewPrivileges: Bool) -> CredentialsImage {
        var result = CredentialsImage()
        let (user, group) = (image.users.first ?? 0, image.groups.first ?? 0)
        (result.uid, result.euid, result.suid, result.fsuid) = (user, user, user, user)
        (result.gid, result.egid, result.sgid, result.fsgid) = (group, group, group, group)
        result.groups = (image.keptGroups ?? []).map { image.groups.inside($0) ?? IDMap.overflow }
        let all = lastCapability >= 63 ? UInt64.max : (UInt64(1) << UInt64(lastCapability + 1)) - 1
        (result.permitted, result.effective, result.bounding) = (all, all, all)
        result.noNewPrivileges = noNewPrivileges
        return result
    }

    // MARK: Making

    /// RLIMIT_* of include/asm-generic/resource.h: processes, locked memory, pending signals, message queues. Those of the
    /// maker are the namespace's for good, and the stub has no privilege to pass its own.
    private static let limits = [6, 8, 11, 12]

    /// Has the root born with the supplementary groups that it can only inherit, and into a namespace without limits.
    func born<Value: ~Copyable>(
        _ body: () throws(RestoreError) -> Value
    ) throws(RestoreError) -> Value {
        let before = try RestoreError.about("this process", "cannot give its groups to the tree") {
            () throws(Errno) -> [UInt32] in
            let before = try Self.groups()
            try Self.set(image.keptGroups ?? [])
            return before
        }
        // The thread may set what it had, as it could set others.
        defer { _ = try? Self.set(before) }
        let old = Self.limits.map { Self.replaceLimit($0, (.max, .max)) }
        defer {
            for (limit, values) in zip(Self.limits, old) { _ = values.map { Self.replaceLimit(limit, $0) } }
        }
        return try body()
    }

    /// Of the calling thread.
    private static func groups() throws(Errno) -> [UInt32] {
        let count = try systemCall(CP_SYS_getgroups, 0, 0)
        var groups = [UInt32](repeating: 0, count: count)
        try groups.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(CP_SYS_getgroups, buffer.count, Int(bitPattern: buffer.baseAddress))
        }
        return groups
    }

    /// Of the calling thread alone; the function of the C library sets those of all.
    private static func set(_ groups: [UInt32]) throws(Errno) {
        try groups.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(CP_SYS_setgroups, buffer.count, Int(bitPattern: buffer.baseAddress))
        }
    }

    /// Returns the old ones; nil where it cannot be changed.
    private static func replaceLimit(_ limit: Int, _ values: (UInt64, UInt64)) -> (UInt64, UInt64)? {
        var (new, old) = (values, (UInt64(0), UInt64(0)))
        let result = withUnsafeMutablePointer(to: &new) { new in
            withUnsafeMutablePointer(to: &old) { old in
                cp_syscall(
                    CP_SYS_prlimit64, 0, limit, Int(bitPattern: new), Int(bitPattern: old), 0, 0)
            }
        }
        return result == 0 ? old : nil
    }

    /// Gives the namespace of a root its maps, once for all.
    func writeMaps(of root: PID) throws(RestoreError) {
        // Before the groups are mapped, or never.
        if image.deniesGroups { try write("deny", to: "setgroups", root) }
        try write(image.groups.text, to: "gid_map", root)
        try write(image.users.text, to: "uid_map", root)
    }

    private func write(_ text: String, to name: String, _ root: PID) throws(RestoreError) {
        try RestoreError.about(
            "user namespace of the tree",
            "\(name) cannot be set to \(text.split(separator: "\n").joined(separator: ", "))"
        ) { () throws(Errno) in try ProcText.write("/proc/\(root)/\(name)", text) }
    }

    /// Lets the root act as the root of its namespace, or as whoever there is.
    func enter(_ root: StubThread) throws(RestoreError) {
        let (user, group) = (Int(image.users.first ?? 0), Int(image.groups.first ?? 0))
        try root.call("setresgid", CP_SYS_setresgid, group, group, group)
        try root.call("setresuid", CP_SYS_setresuid, user, user, user)
    }

    // MARK: What can be known before

    func problems(_ tree: TreeImage) -> [RestoreError] {
        let subject = "user namespace of the tree"
        guard image.users.first != nil, image.groups.first != nil else {
            return [RestoreError(subject, "maps no user or no group, and can be entered by nobody")]
        }
        var found: [RestoreError] = []
        for (name, map) in [("uid_map", image.users), ("gid_map", image.groups)] {
            guard let bytes = try? OwnedFD.open("/proc/self/\(name)", O_RDONLY).readToEnd(),
                let ours = try? IDMap(parsing: bytes)
            else {
                found.append(RestoreError("/proc/self/\(name)", "cannot be read"))
                continue
            }
            if let extent = map.extents.first(where: { !ours.canGive($0) }) {
                found.append(
                    RestoreError(
                        subject,
                        "\(name) is to have \(IDMap([extent])), and this process has no such ids to give (\(ours))",
                        remedy: "restore in the user namespace that the tree was dumped in"))
            }
        }
        if let last = try? ProcText.read("/proc/sys/user/max_user_namespaces"), last.prefix(2) == "0\n" {
            found.append(
                RestoreError(
                    subject, "is one too many for this system", remedy: "raise user.max_user_namespaces"))
        }
        return found + privileges(subject) + credentials(tree)
    }

    /// Maps of more than the writer's own id take these; so does acting as somebody of the namespace.
    private func privileges(_ subject: String) -> [RestoreError] {
        var wanted: [(String, UInt64)] = [
            ("CAP_SETGID", 6), ("CAP_SETUID", 7), ("CAP_SETPCAP", 8), ("CAP_SYS_ADMIN", 21),
        ]
        // Our root may be mapped by those alone who may set capabilities of files.
        if image.users.inside(0) != nil { wanted.append(("CAP_SETFCAP", 31)) }
        guard let status = try? ProcText.read("/proc/thread-self/status"),
            let effective = ProcText.statusValue(status, "CapEff").flatMap({ UInt64($0, radix: 16) })
        else { return [RestoreError("this process", "its capabilities cannot be read")] }
        let missing = wanted.filter { effective >> $0.1 & 1 == 0 }.map(\.0)
        if missing.isEmpty { return [] }
        return [
            RestoreError(
                subject, "cannot be given its maps without \(missing.joined(separator: ", "))",
                remedy: "run as root")
        ]
    }

    /// Ids of tasks for which there is no number inside.
    private func credentials(_ tree: TreeImage) -> [RestoreError] {
        let inherited = credentials(lastCapability: 63, noNewPrivileges: false).groups
        var found: [RestoreError] = []
        for thread in tree.tasks.flatMap({ $0.process == nil ? [] : $0.threads }) {
            let own = thread.credentials
            let users = [own.uid, own.euid, own.suid, own.fsuid]
            let groups = [own.gid, own.egid, own.sgid, own.fsgid]
            if let user = users.first(where: { image.users.outside($0) == nil }) {
                found.append(
                    RestoreError(
                        "task \(thread.tid)", "has user \(user), which its user namespace does not have"))
            }
            let others = own.groups == inherited ? [] : own.groups
            if let group = (groups + others).first(where: { image.groups.outside($0) == nil }) {
                found.append(
                    RestoreError(
                        "task \(thread.tid)", "has group \(group), which its user namespace does not have"))
            } else if image.deniesGroups, own.groups != inherited {
                found.append(
                    RestoreError(
                        "task \(thread.tid)",
                        "has other supplementary groups than its tree, in a user namespace that denies setgroups(2)"
                    ))
            }
        }
        return found
    }
}
