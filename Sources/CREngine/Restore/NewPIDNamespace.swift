import Glibc

/// A tree of our pid namespace that is brought back in one of its own, because an id of it is taken here.
///
/// Inside all ids are free, so that each task has its old one; outside they are new. The namespace needs an init, which
/// becomes the parent of the tree's root. See decision 82.
struct NewPIDNamespace {
    /// The tree below its init.
    let tree: TreeImage
    /// Who has ids of the tree here.
    let taken: [RestoreError]
    /// What would not be inside what it was.
    let problems: [RestoreError]

    /// Nil where no id is taken, or where the tree has a pid namespace in any case.
    init?(_ tree: TreeImage, _ options: RestoreOptions) {
        guard !tree.ownNamespaceKinds.contains(.pid), let root = tree.tasks.first else { return nil }
        taken = PreflightIDs.problems(tree)
        guard let first = taken.first else { return nil }
        var problems = Self.hindrances(tree, options)
        let remedy = "make its ids free: \(first.subject) \(first.fact)"
        for place in problems.indices { problems[place].remedy = remedy }
        do throws(RestoreError) {
            self.tree = try Self.made(of: tree, root)
        } catch {
            self.tree = tree
            problems.append(error)
        }
        self.problems = problems
    }

    private static func made(of tree: TreeImage, _ root: TaskImage) throws(RestoreError) -> TreeImage {
        var made = NamespacePIDs(tree).renumbered(tree)
        var used = KernelObjectIDs()
        for ids in tree.tasks.compactMap(\.ids) + [tree.inventory.rootIDs] {
            used.vm = max(used.vm, ids.vm)
            used.files = max(used.files, ids.files)
            used.fs = max(used.fs, ids.fs)
            used.sighand = max(used.sighand, ids.sighand)
            for kind in NamespaceKind.allCases {
                used.pidNS = max(used.pidNS ?? 0, ids[keyPath: kind.imagePlace] ?? 0)
            }
        }
        let namespace = (used.pidNS ?? 0) + 1
        for place in made.tasks.indices { made.tasks[place].ids?.pidNS = namespace }
        for place in made.files.indices {
            if case .namespaceFD(var image) = made.files[place].content, image.kind == .pid {
                image.namespace = namespace
                made.files[place].content = .namespaceFD(image)
            }
        }
        made.tasks[0].parent = NamespaceInit.pid
        var ids = made.tasks[0].ids ?? KernelObjectIDs()
        (ids.vm, ids.files, ids.fs, ids.sighand) = (
            used.vm + 1, used.files + 1, used.fs + 1, used.sighand + 1
        )
        let program = (tree.files.map(\.id).max() ?? 0) + 1
        let first = try NamespaceInit()
        made.files.append(first.file(program))
        made.tasks.insert(
            first.task(waitingFor: root, ids: ids, program: program, vdso: try OwnVDSO()), at: 0)
        return made
    }

    private static func hindrances(_ tree: TreeImage, _ options: RestoreOptions) -> [RestoreError] {
        var found: [RestoreError] = []
        if tree.tasks.contains(where: { $0.pid == NamespaceInit.pid || $0.sid == NamespaceInit.pid }) {
            found.append(RestoreError("id 1", "is that of the init that a new pid namespace needs"))
        }
        if options.shellJob {
            found.append(
                RestoreError(
                    "session of the shell", "cannot be named by a tree in a pid namespace of its own"))
        }
        if tree.ownNamespaceKinds.contains(.mount) {
            found.append(
                RestoreError(
                    "mount namespace of the tree", "lacks the program that is init of a new pid namespace"))
        }
        for file in tree.files {
            switch file.content {
            case .regular(let image) where ProcessPath(image.path) != nil:
                found.append(
                    RestoreError(image.path, "is of another process for a tree in a new pid namespace"))
            case .processFD(let image) where image.target == -1:
                found.append(
                    RestoreError(
                        "pidfd \(file.id)", "is of an ended process, which a new pid namespace does not have")
                )
            default: break
            }
        }
        return found
    }
}
