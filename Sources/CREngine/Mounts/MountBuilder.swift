import CPlatform
import Glibc

/// Makes the mounts of an image in a stub that stands in a mount namespace of its own, a copy of ours.
///
/// All mounts are private until the tree is complete and the stub's root is the new one, so nothing that is mounted here
/// spreads. What is half built goes with the namespace, that is with the stub.
struct MountBuilder {
    private let plan: MountPlan
    private let calls: MountCalls
    private let stub: StubThread
    private let lender: Lender
    /// Of the user namespace that the stub is in, nil for ours.
    private let userNamespace: Int32?
    /// Descriptors of the stub, by mount.
    private var mounts: [UInt32: Int] = [:]

    /// Returns when the stub's root is the root of the image's mounts, and nothing of ours is mounted there.
    ///
    /// `contents` opens an archive of the image.
    static func build(
        _ plan: MountPlan, in stub: StubThread, lender: Lender, userNamespace: Int32?,
        contents: (String) throws(ImageError) -> OwnedFD?
    ) throws(RestoreError) {
        var builder = MountBuilder(plan, stub, lender, userNamespace)
        try builder.build(contents)
    }

    private init(_ plan: MountPlan, _ stub: StubThread, _ lender: Lender, _ userNamespace: Int32?) {
        self.plan = plan
        self.stub = stub
        self.lender = lender
        self.userNamespace = userNamespace
        calls = MountCalls(stub: stub)
    }

    private mutating func build(_ contents: (String) throws(ImageError) -> OwnedFD?) throws(RestoreError) {
        let oldRoot = try stub.call(
            "open", CP_SYS_open, try stub.put(Array("/\0".utf8)), Int(O_PATH | O_CLOEXEC))
        try calls.setPropagation(oldRoot, .private, recursively: true)
        let yard = try calls.makeFileSystem("tmpfs", source: "crplan", options: [], flags: [])
        try attach(yard, to: oldRoot, path: "/", "the working directory of the restore")
        let steps = Dictionary(uniqueKeysWithValues: plan.steps.map { ($0.mount.id, $0) })
        for id in plan.sourceOrder {
            guard let step = steps[id] else { continue }
            mounts[id] = try obtain(step, yard, contents)
        }
        for step in plan.steps { try put(step) }
        let helpers = try makeHelpers(yard)
        guard let root = plan.steps.first.flatMap({ mounts[$0.mount.id] }) else {
            throw RestoreError("the mounts of the image", "have no root")
        }
        try calls.pivot(to: root)
        // The root must not be shared before, and helpers are gone with the old root.
        for group in plan.groups { try share(group, helpers) }
        for step in plan.steps where step.mount.flags.contains(.unbindable) {
            try calls.setPropagation(try mount(step.mount.id), .unbindable)
        }
        // The yard lies over the old root.
        try calls.detach(yard)
        try calls.detach(oldRoot)
        try calls.goToRoot()
        for fd in mounts.values.sorted() + helpers.values.sorted() + [yard, oldRoot] { try calls.close(fd) }
    }

    private func mount(_ id: UInt32) throws(RestoreError) -> Int {
        guard let fd = mounts[id] else { throw RestoreError("mount \(id)", "is needed before it is made") }
        return fd
    }

    // MARK: Having a mount

    private func obtain(
        _ step: MountPlan.Step, _ yard: Int, _ contents: (String) throws(ImageError) -> OwnedFD?
    ) throws(RestoreError) -> Int {
        let mount = step.mount
        let fd: Int
        do throws(RestoreError) {
            switch step.source {
            case .outside(let path, let kept): fd = try take(path, kept)
            case .bind(let other, let part): fd = try calls.clone(try self.mount(other), part: part)
            case .anew(let name, let source, let options, let archive, let part):
                fd = try makeAnew(mount, name, source, options, archive, part, yard, contents)
            }
            try calls.setAttributes(fd, mount.flags)
        } catch {
            throw Self.about(mount, error)
        }
        // A clone of a mount that is in no namespace is something that kernels before 6.15 refuse.
        if step.place == nil {
            try park(fd, as: "root", in: yard)
        } else if plan.isBound(mount.id) {
            try park(fd, as: "\(mount.id)", in: yard)
        }
        return fd
    }

    private func makeAnew(
        _ mount: MountImage, _ name: String, _ source: String, _ options: [String], _ archive: String?,
        _ part: String, _ yard: Int, _ contents: (String) throws(ImageError) -> OwnedFD?
    ) throws(RestoreError) -> Int {
        let flags = mount.superblockFlags ?? []
        // Files are put into it before it is read-only.
        let whole = try calls.makeFileSystem(
            name, source: source, options: ownOptions(name, options),
            flags: archive == nil ? flags : flags.subtracting(.readOnly))
        if let archive {
            try unpack(archive, into: whole, mount, contents)
            if flags.contains(.readOnly) { try calls.reconfigure(whole, .readOnly) }
        }
        if part.isEmpty { return whole }
        try park(whole, as: "\(mount.id)-whole", in: yard)
        let fd = try calls.clone(whole, part: part)
        try calls.close(whole)
        return fd
    }

    /// The kernel shows ids of owners as our user namespace has them; the archive has them as the tree's has.
    private func ownOptions(_ fileSystem: String, _ options: [String]) -> [String] {
        guard userNamespace != nil, fileSystem == "tmpfs" else { return options }
        return options.filter { !$0.hasPrefix("uid=") && !$0.hasPrefix("gid=") }
    }

    /// A mount of ours, as a clone that has left our peers unless told otherwise.
    private func take(_ path: String, _ kept: MountPlan.Kept) throws(RestoreError) -> Int {
        let clone = try RestoreError.about(path, "cannot be mounted in the tree") {
            () throws(Errno) -> OwnedFD in
            try OwnMount.clone(path, kept)
        }
        return try lender.take(clone.rawValue, into: stub)
    }

    private func unpack(
        _ name: String, into fd: Int, _ mount: MountImage,
        _ contents: (String) throws(ImageError) -> OwnedFD?
    ) throws(RestoreError) {
        let archive: OwnedFD?
        do throws(ImageError) {
            archive = try contents(name)
        } catch {
            throw RestoreError(name, "cannot be read: \(error)")
        }
        guard let archive else { throw RestoreError(name, "is not in the image") }
        let directory = try RestoreError.about("mount \(mount.id)", "cannot be had from its task") {
            () throws(Errno) -> OwnedFD in
            let task = try PidFD.open(PID(stub.tid.rawValue))
            return OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(task.rawDescriptor), fd, 0)))
        }
        do throws(TarProgram.Failure) {
            try TarProgram.unpack(
                archive.rawValue, into: directory.rawValue, userNamespace: userNamespace)
        } catch {
            throw RestoreError(name, "cannot be unpacked: \(error.line)")
        }
    }

    // MARK: Putting it in its place

    /// Puts a mount where others can be cloned from it until it gets its place.
    private func park(_ fd: Int, as name: String, in yard: Int) throws(RestoreError) {
        if try isDirectory(fd) {
            try calls.makeDirectory(name, in: yard)
        } else {
            try calls.makeFile(name, in: yard)
        }
        try attach(fd, to: yard, path: name, "the working directory of the restore")
    }

    private func isDirectory(_ fd: Int) throws(RestoreError) -> Bool {
        let buffer = try stub.put(stat(), at: 4096)
        let path = try stub.put([0])
        try stub.call("newfstatat", CP_SYS_newfstatat, fd, path, buffer, Int(AT_EMPTY_PATH))
        return try stub.scratchValue(at: 4096, as: stat.self).st_mode & S_IFMT == S_IFDIR
    }

    private func put(_ step: MountPlan.Step) throws(RestoreError) {
        let fd = try mount(step.mount.id)
        guard let place = step.place else { return }
        let parent = try mount(place.parent)
        if place.path.isEmpty { return try attach(fd, to: parent, path: "", Self.name(step.mount)) }
        switch try calls.place(place.path, below: parent) {
        case .failure(let errno):
            throw RestoreError(
                Self.name(step.mount), "its mount point is not there", errno: errno,
                remedy: "make it in the root directory of the restore, or restore with another --root")
        case .success(let target):
            try attach(fd, to: target, path: "", Self.name(step.mount))
            try calls.close(target)
        }
    }

    private func attach(_ fd: Int, to target: Int, path: String, _ subject: String) throws(RestoreError) {
        if case .failure(let errno) = try calls.move(fd, onto: target, path: path) {
            throw RestoreError(subject, "cannot be mounted", errno: errno)
        }
    }

    // MARK: Sharing

    private func makeHelpers(_ yard: Int) throws(RestoreError) -> [UInt32: Int] {
        var helpers: [UInt32: Int] = [:]
        for group in plan.groups {
            guard let primary = group.helper else { continue }
            let fd = try calls.clone(try mount(primary))
            try park(fd, as: "group-\(group.id)", in: yard)
            helpers[group.id] = fd
        }
        return helpers
    }

    private func share(_ group: MountPlan.Group, _ helpers: [UInt32: Int]) throws(RestoreError) {
        guard let first = group.members.first else { return }
        let leader = try leader(of: group, helpers)
        if group.master != 0, let master = plan.groups.first(where: { $0.id == group.master }) {
            try calls.joinGroup(leader, of: try self.leader(of: master, helpers))
            try calls.setPropagation(leader, .slave)
        }
        if group.id == 0 { return }
        if plan.kept(first) != .peers { try calls.setPropagation(leader, .shared) }
        for member in group.members where helpers[group.id] != nil || member != first {
            try calls.joinGroup(try mount(member), of: leader)
        }
    }

    /// Descriptor of the mount that the others of a group join.
    private func leader(of group: MountPlan.Group, _ helpers: [UInt32: Int]) throws(RestoreError) -> Int {
        if group.id != 0, let helper = helpers[group.id] { return helper }
        return try mount(group.members[0])
    }

    private static func name(_ mount: MountImage) -> String { "mount \(mount.id) at \(mount.mountPoint)" }

    private static func about(_ mount: MountImage, _ error: RestoreError) -> RestoreError {
        RestoreError(
            name(mount), "\(error.subject): \(error.fact)", errno: error.errno, remedy: error.remedy)
    }
}

/// Clones of mounts of our own namespace.
private enum OwnMount {
    static func clone(_ path: String, _ kept: MountPlan.Kept) throws(Errno) -> OwnedFD {
        let flags = Int(CP_OPEN_TREE_CLONE) | Int(CP_OPEN_TREE_CLOEXEC) | Int(AT_NO_AUTOMOUNT)
        let result = path.withCString {
            cp_syscall(CP_SYS_open_tree, Int(AT_FDCWD), Int(bitPattern: $0), flags, 0, 0, 0)
        }
        if result < 0 { throw Errno(rawValue: Int32(-result)) }
        let clone = OwnedFD(taking: Int32(result))
        let propagation: MountFlags =
            switch kept {
            case .nothing: .private
            case .master: .slave
            case .peers: []
            }
        if propagation.isEmpty { return clone }
        var attributes = cp_mount_attr(
            attr_set: 0, attr_clr: 0, propagation: UInt64(propagation.rawValue), userns_fd: 0)
        let outcome = withUnsafeMutablePointer(to: &attributes) { pointer in
            "".withCString {
                cp_syscall(
                    CP_SYS_mount_setattr, result, Int(bitPattern: $0), Int(AT_EMPTY_PATH),
                    Int(bitPattern: pointer), MemoryLayout<cp_mount_attr>.size, 0)
            }
        }
        if outcome < 0 { throw Errno(rawValue: Int32(-outcome)) }
        return clone
    }
}
