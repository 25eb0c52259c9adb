import CPlatform
import Glibc

/// The pseudo terminals of a tree: pairs made again with their numbers, modes and unread bytes, and the terminal of
/// whoever restores in the place of one whose master stayed outside.
final class TerminalFiles {
    /// One pair, or the outside terminal (`master` is -1).
    private struct Side {
        var master: Int32 = -1
        /// Any descriptor of the slave; -1 for none.
        var slave: Int32 = -1
    }
    private let tree: TreeImage
    private let files: [UInt32: FileImage]
    private let outside: Set<UInt32>
    private let paths: TreePaths
    /// Ours, by file id.
    private var descriptors: [UInt32: Int32] = [:]
    private var pairs: [UInt32: Side] = [:]
    /// Slaves of which no task has a descriptor.
    private var spare: [Int32] = []

    /// Whether masters that the tree does not have are made.
    private let givesMasters: Bool

    /// `outside` are files that are not made from the image but given.
    init(tree: TreeImage, outside: Set<UInt32>, givesMasters: Bool = false, paths: TreePaths) {
        self.givesMasters = givesMasters
        self.paths = paths
        self.tree = tree
        self.outside = outside
        files = Dictionary(tree.files.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    deinit { closeAll() }

    func closeAll() {
        for fd in descriptors.values { _ = close(fd) }
        for fd in spare { _ = close(fd) }
        for pair in pairs.values where pair.master >= 0 { _ = close(pair.master) }
        descriptors = [:]
        spare = []
        pairs = [:]
    }

    /// Makes every pair, before any task is there: tasks inherit a controlling terminal when they are born.
    func prepare() throws(RestoreError) {
        for index in Set(tree.terminals.compactMap { $0.kind == .pair ? $0.pair : nil }).sorted() {
            let master = terminal(index << 1 | 1)
            let slave = terminal(index << 1)
            if master == nil, slave?.isHungUp != true {
                guard givesMasters, !opened(index << 1).isEmpty else { continue }
            }
            try paths.inside { () throws(RestoreError) in
                try makePair(index, master: master, slave: slave)
            }
        }
    }

    /// Gives away the masters of slaves that the tree has alone, and closes ours.
    func giveMasters(_ give: (Int32) throws(RestoreError) -> Void) throws(RestoreError) {
        for (index, pair) in pairs.sorted(by: { $0.key < $1.key })
        where pair.master >= 0 && terminal(index << 1 | 1) == nil {
            try give(pair.master)
            _ = close(pair.master)
            pairs[index]?.master = -1
        }
    }

    /// The open terminal behind a descriptor, a copy for the caller. Nil where it is /dev/tty, which only the task itself
    /// can open.
    func open(_ id: UInt32, _ image: TerminalFileImage) throws(RestoreError) -> OwnedFD? {
        if let known = descriptors[id] {
            return try RestoreError.about("terminal \(id)", "cannot be copied") { () throws(Errno) in
                OwnedFD(taking: Int32(try systemCall(CP_SYS_fcntl, Int(known), Int(F_DUPFD_CLOEXEC), 3)))
            }
        }
        guard let side = terminal(image.terminal) else {
            throw RestoreError("terminal \(image.terminal)", "is missing from the image")
        }
        switch side.kind {
        case .current: return nil
        case .pair:
            return try RestoreError.about("terminal of stdin", "cannot be opened") { () throws(Errno) in
                try OwnedFD.open("/proc/self/fd/0", Self.openFlags(image.flags))
            }
        case .unknown, .console, .virtualConsole, .external, .serial:
            throw RestoreError(
                "terminal \(side.key)", "is outside the tree and was not given",
                remedy: "restore with --inherit-fd fd[N]:\(side.key)")
        }
    }

    /// The slave that a session has as its controlling terminal, with the foreground group; nil where it has none.
    func controlling(_ session: Int32) throws(RestoreError) -> (fd: Int32, foreground: Int32)? {
        let wanted = UInt32(bitPattern: session)
        guard
            let side = tree.terminals.first(where: {
                $0.kind == .pair && $0.session == wanted && !$0.isHungUp && pairs[$0.id >> 1] != nil
            }), let index = side.pair, let pair = pairs[index]
        else { return nil }
        guard pair.slave >= 0 else {
            throw RestoreError("/dev/pts/\(index)", "has a session and no slave in the image")
        }
        return (pair.slave, Int32(bitPattern: side.foreground))
    }

    private func terminal(_ id: UInt32) -> TerminalImage? { tree.terminals.first { $0.id == id } }

    /// Files of one side: id, image, path, st_mode.
    private func opened(
        _ terminal: UInt32
    ) -> [(id: UInt32, image: TerminalFileImage, path: String?, mode: UInt32?)] {
        tree.files.compactMap { file in
            guard case .terminal(let image) = file.content, image.terminal == terminal,
                !outside.contains(file.id)
            else { return nil }
            guard let id = image.regularFile, case .regular(let regular)? = files[id]?.content else {
                return (file.id, image, nil, nil)
            }
            return (file.id, image, regular.path, regular.mode)
        }
    }

    private func makePair(
        _ index: UInt32, master: TerminalImage?, slave: TerminalImage?
    ) throws(RestoreError) {
        let masters = opened(index << 1 | 1)
        let path = masters.first?.path ?? multiplexer(of: index)
        guard masters.count <= 1 else {
            throw RestoreError("/dev/pts/\(index)", "has several masters in the image; it is damaged")
        }
        let opened = try PairMaker.master(
            path, index: index, flags: Self.openFlags(masters.first?.image.flags ?? UInt32(O_RDWR)))
        var pair = Side()
        pair.master = opened.release()
        pairs[index] = pair
        if let file = masters.first { descriptors[file.id] = try Self.copy(pair.master) }
        let directory = Terminal.parent(of: path)
        let slavePath = (directory == "/dev" ? "/dev/pts" : directory) + "/\(index)"
        let subject = slavePath
        let fd = pair.master
        try RestoreError.about(subject, "cannot be unlocked") { () throws(Errno) in
            try TerminalControl.setLocked(fd, false)
        }
        var nodeMode: UInt32?
        for file in self.opened(index << 1) {
            let slave = try RestoreError.about(subject, "cannot be opened") { () throws(Errno) in
                try OwnedFD.open(slavePath, Self.openFlags(file.image.flags))
            }
            if pair.slave < 0 {
                pair.slave = slave.rawValue
                if let mode = file.mode { nodeMode = mode }
            }
            descriptors[file.id] = slave.release()
        }
        if pair.slave < 0, master.map({ $0.session != 0 || $0.slaveIsClosed }) ?? false {
            let slave = try RestoreError.about(subject, "cannot be opened") { () throws(Errno) in
                try OwnedFD.open(slavePath, O_RDWR | O_NOCTTY)
            }
            pair.slave = slave.rawValue
            spare.append(slave.release())
        }
        pairs[index] = pair
        let made = pair
        try RestoreError.about(subject, "its state cannot be set") { () throws(Errno) -> Void in
            if let nodeMode, fchmod(made.slave, nodeMode & 0o7777) != 0 { throw Errno(rawValue: errno) }
            if let slave { try PairMaker.set(slave, slave: made.slave, master: made.master) }
            if let master { try PairMaker.set(master, hasSlave: slave != nil, made.master, made.slave) }
        }
        if master == nil, slave?.isHungUp == true {
            // The slave is to find itself without a master.
            _ = close(made.master)
            pairs[index] = nil
        }
    }

    /// Where masters of the file system of a slave are made.
    private func multiplexer(of index: UInt32) -> String {
        let directory = opened(index << 1).compactMap(\.path).first.map(Terminal.parent) ?? "/dev/pts"
        return directory == "/dev/pts" ? "/dev/ptmx" : directory + "/ptmx"
    }

    private static func copy(_ fd: Int32) throws(RestoreError) -> Int32 {
        try RestoreError.about("terminal", "cannot be copied") { () throws(Errno) in
            Int32(try systemCall(CP_SYS_fcntl, Int(fd), Int(F_DUPFD_CLOEXEC), 3))
        }
    }

    static func openFlags(_ flags: UInt32) -> Int32 {
        let creation = O_CREAT | O_EXCL | O_TRUNC | O_ASYNC | O_CLOEXEC
        return Int32(bitPattern: flags) & ~creation | O_NOCTTY
    }
}

/// Makes one pair of a pseudo terminal. See pty(7), drivers/tty/pty.c.
enum PairMaker {
    /// Opens masters until the one of this number comes: the kernel gives the lowest free one.
    static func master(_ path: String, index: UInt32, flags: Int32) throws(RestoreError) -> OwnedFD {
        var passed: [Int32] = []
        defer { for fd in passed { _ = close(fd) } }
        while true {
            var number: UInt32 = 0
            let opened = try RestoreError.about("/dev/pts/\(index)", "\(path) cannot be opened") {
                () throws(Errno) -> OwnedFD in
                let opened = try OwnedFD.open(path, flags)
                number = try TerminalControl.pairIndex(opened.rawValue)
                return opened
            }
            if number == index { return opened }
            guard number < index else {
                throw RestoreError(
                    "/dev/pts/\(index)", "is taken by somebody else", remedy: "end whoever has this terminal")
            }
            passed.append(opened.release())
        }
    }

    /// State of the slave; `slave` is a descriptor of it.
    static func set(_ image: TerminalImage, slave: Int32, master: Int32) throws(Errno) {
        guard let modes = image.modes, slave >= 0 else { return }
        if let uid = image.uid, let gid = image.gid {
            if fchown(slave, uid, gid) != 0 { throw Errno(rawValue: errno) }
        }
        try TerminalQueue.put(image.unread, into: slave, modes: modes, isMaster: false, peer: master)
        if let locked = image.lockedModes, locked != TerminalModes() {
            try TerminalControl.setLockedModes(slave, locked)
        }
        if let size = image.size { try TerminalControl.setWindowSize(slave, size) }
        if image.isExclusive { try TerminalControl.setExclusive(slave, true) }
    }

    /// State of the master; through it that of a slave that the image does not have.
    static func set(
        _ image: TerminalImage, hasSlave: Bool, _ master: Int32, _ slave: Int32
    ) throws(Errno) {
        guard let modes = image.modes else { return }
        if !hasSlave {
            try TerminalControl.setModes(master, modes)
            if let size = image.size { try TerminalControl.setWindowSize(master, size) }
        }
        if !image.unread.isEmpty {
            try TerminalQueue.put(
                image.unread, into: master, modes: modes, isMaster: true, peer: slave >= 0 ? slave : nil)
        }
        if image.isPacket { try TerminalControl.setPacket(master, true) }
        if image.isExclusive { try TerminalControl.setExclusive(master, true) }
        if image.isLocked { try TerminalControl.setLocked(master, true) }
    }
}
