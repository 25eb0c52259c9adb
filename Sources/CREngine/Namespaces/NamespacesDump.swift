import Glibc
import PolicyModel

/// Reads what is in the namespaces of a frozen tree that are not ours.
enum NamespacesDump {
    static func image(of snapshot: Snapshot, _ allow: Allowances) throws(DumpError) -> NamespacesImage {
        var image = NamespacesImage()
        let kinds = snapshot.ownNamespaceKinds
        if kinds.contains(.uts) {
            image.hostNames = try visit(.uts, of: snapshot) { HostNamesImage.own() }
        }
        if kinds.contains(.ipc) {
            image.ipc = try visit(.ipc, of: snapshot) { IPCSettingsImage.own() }
        }
        image.pidLabel = snapshot.label(of: .pid, allow)
        image.user = snapshot.userNamespace.map {
            UserNamespaceImage($0, keptGroups: UserNamespaceRules.keptGroups(of: snapshot))
        }
        image.mounts = try survey(of: snapshot, allow)?.image()
        return image
    }

    /// Adds what is in namespaces that tasks are in and the root is not; `number` is that of one in the image.
    static func addNested(
        to image: inout NamespacesImage, of snapshot: Snapshot,
        number: (NamespaceKind, TaskFacts) -> UInt32?
    ) throws(DumpError) {
        for nested in snapshot.nestedNamespaces.values {
            guard nested.hindrance == nil, let member = snapshot.task(nested.member),
                let number = number(nested.kind, member)
            else {
                throw .cannotCarry(
                    "process \(nested.member) is in a \(nested.kind.name) namespace of its own")
            }
            try NamespaceVisit.run(
                nested.kind, of: nested.member, refusal: { DumpError.environment("\($0)") }
            ) { () throws(DumpError) in
                if nested.kind == .uts {
                    image.nestedHostNames[number] = HostNamesImage.own()
                } else {
                    image.nestedIPC[number] = IPCSettingsImage.own()
                }
            }
        }
    }

    /// The mounts of a tree that has a mount namespace of its own; nil for others.
    static func survey(of snapshot: Snapshot, _ allow: Allowances) throws(DumpError) -> MountSurvey? {
        guard let facts = snapshot.mounts else { return nil }
        do throws(MountTree<MountRow>.Flaw) {
            return try MountSurvey(facts, MountAllowances(allow))
        } catch {
            throw .cannotCarry("process \(facts.pid): \(error.description)")
        }
    }

    /// Does something in a namespace of the tree's root, or where we are if it has none of its own.
    static func visit<Value>(
        _ kind: NamespaceKind, of snapshot: Snapshot, _ errand: () throws(DumpError) -> Value
    ) throws(DumpError) -> Value {
        guard snapshot.ownNamespaceKinds.contains(kind) else { return try errand() }
        return try NamespaceVisit.run(
            kind, of: snapshot.root, refusal: { DumpError.environment("\($0)") }, errand)
    }
}

extension HostNamesImage {
    /// Of the calling thread; see uname(2).
    static func own() -> HostNamesImage {
        var names = utsname()
        uname(&names)
        return HostNamesImage(host: text(names.nodename), domain: text(names.domainname))
    }

    private static func text<Field>(_ field: Field) -> String {
        withUnsafeBytes(of: field) { raw in String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension IPCSettingsImage {
    /// Of the calling thread; what this kernel does not have is left out.
    static func own() -> IPCSettingsImage {
        var image = IPCSettingsImage()
        image.semaphores = numbers("kernel/sem").map { UInt32(clamping: $0) }
        for variable in Variable.allCases { image.values[variable] = numbers(variable.rawValue).first }
        return image
    }

    private static func numbers(_ name: String) -> [UInt64] {
        ((try? ProcText.read("/proc/sys/\(name)")) ?? "").split { " \t\n".contains($0) }
            .compactMap { UInt64($0) }
    }
}
