import Glibc

/// Whether the terminals of a tree can be had again, and what was to be given for a restore.
struct PreflightTerminals {
    let tree: TreeImage
    let options: RestoreOptions
    let given: GivenFiles

    func problems() -> [RestoreError] {
        var found: [RestoreError] = []
        let outside = given.ids
        for name in given.unused {
            found.append(
                RestoreError(
                    "inherit-fd", "nothing in the image is \(name)", remedy: "look at the report of the dump")
            )
        }
        for file in tree.files where tree.streams[file.id] == .given && given.isMissing(file) {
            found.append(
                RestoreError(
                    given.name(of: file), "is outside the tree and was not given",
                    remedy: "restore with --inherit-fd fd[N]:\(given.name(of: file))"))
        }
        found += tree.files.compactMap(given.deviceProblem)
        let orphans = options.givesMasters ? orphanNames(except: outside) : []
        for name in names() + orphans
        where !tree.ownNamespaceKinds.contains(.mount) && access(name, F_OK) == 0 {
            found.append(
                RestoreError(name, "is taken by somebody else", remedy: "end whoever has this terminal"))
        }
        for file in tree.files {
            guard case .terminal(let image) = file.content, !outside.contains(file.id),
                let side = tree.terminals.first(where: { $0.id == image.terminal })
            else { continue }
            switch side.kind {
            case .pair, .current: break
            case .unknown, .console, .virtualConsole, .external, .serial:
                found.append(
                    RestoreError(
                        "terminal \(side.key)", "is outside the tree and was not given",
                        remedy: "restore with --inherit-fd fd[N]:\(side.key)"))
            }
        }
        if let side = ShellTerminal.side(of: tree, except: outside), !options.givesMasters {
            if !options.shellJob {
                found.append(
                    RestoreError(
                        "terminal /dev/pts/\(side.pair ?? 0)", "has its master outside the tree",
                        remedy: "restore with --shell-job on the terminal that the tree is to have"))
            } else if let problem = ShellTerminal.problem(side) {
                found.append(problem)
            }
        }
        return found
    }

    /// Paths of slaves whose masters are to be made and given away.
    private func orphanNames(except outside: Set<UInt32>) -> [String] {
        let pairs = tree.terminals.filter { side in
            side.kind == .pair && !side.isMaster && !side.isHungUp
                && !tree.terminals.contains { $0.id == side.id | 1 }
        }
        let files = Dictionary(tree.files.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let paths = tree.files.compactMap { file -> String? in
            guard case .terminal(let image) = file.content, !outside.contains(file.id),
                pairs.contains(where: { $0.id == image.terminal }), let id = image.regularFile,
                case .regular(let slave)? = files[id]?.content
            else { return nil }
            return slave.path
        }
        return Set(paths).sorted()
    }

    /// Paths of the slaves of all pairs that are to be made.
    private func names() -> [String] {
        let files = Dictionary(tree.files.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let paths = tree.files.compactMap { file -> String? in
            guard case .terminal(let image) = file.content, image.terminal & 1 != 0,
                let side = tree.terminals.first(where: { $0.id == image.terminal }), side.isMaster,
                let id = image.regularFile, case .regular(let master)? = files[id]?.content
            else { return nil }
            let directory = Terminal.parent(of: master.path)
            return "\(directory == "/dev" ? "/dev/pts" : directory)/\(image.terminal >> 1)"
        }
        return Set(paths).sorted()
    }
}
