import PolicyModel

/// A terminal: a side of a pseudo terminal, a virtual console, a serial line, or /dev/tty.
package enum Terminal: FileKind {
    /// A pair by its number in one devpts file system, which its directory names.
    package struct Pair: Hashable, Sendable {
        package let directory: String
        package let index: UInt32
    }
    package enum State: Equatable, Sendable {
        case master(Pair)
        case slave(Pair)
        /// A slave whose master is gone, and with it the name.
        case hungUp(Pair)
        /// /dev/tty, whatever stands behind it.
        case current
        /// A console, a serial line.
        case line(path: String, device: DeviceNumber)
    }
    package static let tag = FileTag.terminal

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        if file.isPathOnly { return nil }
        guard let facts = file.facts, facts.type == .characterDevice else { return nil }
        let device = facts.represents
        switch device.major {
        case 5 where device.minor == 2, 128...135:
            guard let index = file.info.detail("tty-index").flatMap({ UInt32($0) }) else { return nil }
            let directory = parent(of: file.link)
            return .master(Pair(directory: directory == "/dev" ? "/dev/pts" : directory, index: index))
        case 136...143:
            let pair = Pair(
                directory: parent(of: file.link), index: (device.major - 136) << 20 | device.minor)
            return file.reach == .gone ? .hungUp(pair) : .slave(pair)
        case 5 where device.minor == 0: return .current
        // Consoles and serial lines, USB and virtio serial lines.
        case 4, 5, 166, 188, 204, 229: return .line(path: file.link, device: device)
        default: return nil
        }
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let terminals = TreeTerminals(context.snapshot)
        switch state {
        case .master(let pair):
            let name = "pseudo terminal master \(file.link) of \(pair.directory)/\(pair.index)"
            if terminals.directories.count > 1 {
                let all = terminals.directories.sorted().joined(separator: " and ")
                return [
                    Finding(
                        .terminalInstances, context.object(file),
                        "\(name), in a tree with terminals of \(all)")
                ]
            }
            let outsiders = context.outsiders(OutsideHolder.key(ofPair: pair.index))
            if outsiders.isEmpty { return [] }
            let peer = outsiders.joined(separator: ", ")
            return [
                Finding(
                    .terminalMaster, context.object(file, peer: peer),
                    "\(name), whose slave side is also held by \(peer)")
            ]
        case .hungUp: return []
        case .slave(let pair) where terminals.masters.contains(pair): return []
        case .slave: return [outside(file, "terminal \(file.link)", context)]
        case .current:
            // It is what the session has, and that is judged there.
            let holders = context.holders[file.id] ?? []
            if holders.contains(where: { context.snapshot.task($0.pid)?.terminal != nil }) { return [] }
            return [Finding(.terminal, context.object(file), "/dev/tty of a task without a terminal")]
        case .line(let path, let device):
            return [outside(file, "terminal \(path) (\(device))", context)]
        }
    }

    /// A terminal whose other side, or whose line, is outside the tree.
    private static func outside(_ file: OpenFile, _ what: String, _ context: ScanContext) -> Finding {
        if let key = externalKey(file), context.allow.external.contains(key) {
            return Finding(
                .terminal, context.object(file), "\(what), external as \(key)", severity: .allowed)
        }
        if let rule = OutsideStreams.rule(of: file, kind: .tty, in: context) {
            return rule.allowed(context.leadsOut(.terminal, file, what, peer: nil))
        }
        if context.allow.shellJob, isShellTerminal(file, in: context.snapshot) {
            return Finding(.terminal, context.object(file), what, severity: .allowed)
        }
        if context.allow.orphanMasters == true, case .slave = recognise(file, in: context.snapshot) {
            return Finding(
                .terminal, context.object(file), "\(what), whose new master a restore by RPC gives away",
                severity: .allowed)
        }
        return context.leadsOut(.terminal, file, what, peer: nil)
    }

    /// The name by which --external knows it; nil where the kernel does not tell its numbers.
    package static func externalKey(_ file: OpenFile) -> String? {
        guard let facts = file.facts else { return nil }
        return TerminalImage.key(
            rdevice: facts.represents.userEncoding, device: facts.device.userEncoding)
    }

    /// Whether it is the terminal of the shell that started the tree: the one of the root's session, which the root
    /// does not lead.
    package static func isShellTerminal(_ file: OpenFile, in snapshot: Snapshot) -> Bool {
        guard let root = snapshot.task(snapshot.root), root.sid != root.pid,
            case .slave = recognise(file, in: snapshot)
        else { return false }
        if let own = root.terminal { return file.facts?.represents == own }
        // The root's session has lost its terminal, or never had one.
        return false
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}

/// The pseudo terminals of a tree.
package struct TreeTerminals: Sendable {
    /// Pairs whose master is in the tree.
    package private(set) var masters: Set<Terminal.Pair> = []
    /// Pairs of which a slave is open in the tree, by its name.
    private var slaves: Set<Terminal.Pair> = []
    /// Directories of all devpts file systems in use.
    package private(set) var directories: Set<String> = []

    package init(_ snapshot: Snapshot) {
        for file in snapshot.openFiles {
            switch Terminal.recognise(file, in: snapshot) {
            case .master(let pair):
                masters.insert(pair)
                directories.insert(pair.directory)
            case .slave(let pair):
                slaves.insert(pair)
                directories.insert(pair.directory)
            case .hungUp, .current, .line, .none: break
            }
        }
    }

    /// Whether a slave of this controlling terminal is open in the tree.
    package func hasSlave(of terminal: DeviceNumber) -> Bool {
        (136...143).contains(terminal.major)
            && slaves.contains { $0.index == (terminal.major - 136) << 20 | terminal.minor }
    }

    /// Whether the master of a controlling terminal is in the tree.
    package func hasMaster(of terminal: DeviceNumber) -> Bool {
        (136...143).contains(terminal.major)
            && masters.contains { $0.index == (terminal.major - 136) << 20 | terminal.minor }
    }
}

extension DeviceNumber {
    /// In the encoding of makedev(3), low 32 bits, as stat(2) gives it.
    package var userEncoding: UInt32 { minor & 0xff | major << 8 | (minor >> 8) << 20 }
}

extension OutsideHolder {
    /// Stands for the slave side of a pair where holders are listed by inode.
    package static func key(ofPair index: UInt32) -> UInt64 { 1 << 63 | UInt64(index) }
}
