import CPlatform
import Glibc

/// Collects the sides of the terminals of a frozen tree: their state, and at the end what they have not read.
struct TerminalDump {
    /// Where a side can be had.
    private struct Place {
        var pid: PID
        var fd: Int32
    }
    private let snapshot: Snapshot
    private let externalKeys: Set<String>
    private let trees: TreeTerminals
    private(set) var images: [TerminalImage] = []
    private var places: [UInt32: Place] = [:]
    private var ids: [OpenFileID: UInt32] = [:]
    private var nextExternal = TerminalImage.externalIndex
    private var externals: [String: UInt32] = [:]

    init(_ snapshot: Snapshot, external: [String]) {
        self.snapshot = snapshot
        externalKeys = Set(external)
        trees = TreeTerminals(snapshot)
    }

    /// The side that an open file is, nil where it is no terminal. `pid` and `fd` name one descriptor of it.
    mutating func id(of file: OpenFile, _ pid: PID, _ fd: Int32, pidfd: Int32) throws(DumpError) -> UInt32? {
        guard let state = Terminal.recognise(file, in: snapshot), let facts = file.facts else { return nil }
        if let known = ids[file.id] { return known }
        do throws(Errno) {
            let ours = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd), Int(fd), 0)))
            let image = try image(of: file, state, facts, ours)
            ids[file.id] = image.id
            if let known = images.first(where: { $0.id == image.id }) {
                guard known.isHungUp == image.isHungUp else {
                    throw Errno(rawValue: EBUSY)
                }
                return image.id
            }
            images.append(image)
            places[image.id] = Place(pid: pid, fd: fd)
            return image.id
        } catch {
            if error.rawValue == EBUSY {
                throw .cannotCarry(
                    "fd \(fd) of process \(pid) (\(file.link)) is a closed terminal whose number is in use again"
                )
            }
            throw .task(pid, "fd \(fd) (\(file.link)) cannot be examined", error)
        }
    }

    private mutating func image(
        of file: OpenFile, _ state: Terminal.State, _ facts: FileFacts, _ ours: borrowing OwnedFD
    ) throws(Errno) -> TerminalImage {
        var image: TerminalImage
        let fd = ours.rawValue
        let rdevice = facts.represents.userEncoding
        var isHungUp = false
        switch state {
        case .master(let pair):
            image = TerminalImage(id: pair.index << 1 | 1, kind: .pair, rdevice: rdevice)
            image.pair = pair.index
            image.isLocked = try TerminalControl.isLocked(fd)
            image.isPacket = try TerminalControl.isPacket(fd)
            image.slaveIsClosed = try TerminalQueue.isHungUp(fd)
        case .slave(let pair), .hungUp(let pair):
            image = TerminalImage(id: pair.index << 1, kind: .pair, rdevice: rdevice)
            image.pair = pair.index
            if case .hungUp = state { isHungUp = true }
            if !trees.masters.contains(pair), let key = Terminal.externalKey(file), externalKeys.contains(key)
            {
                image = external(key, rdevice: rdevice)
            }
        case .current:
            image = TerminalImage(id: TerminalImage.currentIndex << 1, kind: .current, rdevice: rdevice)
        case .line(_, let device):
            if let key = Terminal.externalKey(file), externalKeys.contains(key) {
                image = external(key, rdevice: rdevice)
            } else {
                // Only what a restore puts something else in the place of.
                image = TerminalImage(
                    id: (1010 + device.minor) << 1, kind: .serial, rdevice: rdevice)
            }
        }
        image.device = facts.device.userEncoding
        image.uid = facts.uid
        image.gid = facts.gid
        if isHungUp { return image }
        do throws(Errno) {
            image.modes = try TerminalControl.modes(fd)
            image.lockedModes = try TerminalControl.lockedModes(fd)
            image.size = try TerminalControl.windowSize(fd)
            image.isExclusive = try TerminalControl.isExclusive(fd)
        } catch {
            // The other side is gone.
            if error != .io { throw error }
            image.modes = nil
            image.lockedModes = nil
            image.size = nil
            return image
        }
        if image.isMaster {
            image.session = UInt32(bitPattern: max(0, try TerminalControl.session(fd)))
            image.foreground = UInt32(bitPattern: max(0, try TerminalControl.foreground(fd)))
        } else if let task = snapshot.tasks.first(where: { $0.terminal == facts.represents }) {
            image.session = UInt32(bitPattern: task.sid.rawValue)
            image.foreground = UInt32(bitPattern: task.foreground?.rawValue ?? 0)
        }
        return image
    }

    private mutating func external(_ key: String, rdevice: UInt32) -> TerminalImage {
        let index = externals[key] ?? nextExternal
        if externals.updateValue(index, forKey: key) == nil { nextExternal += 1 }
        return TerminalImage(id: index << 1, kind: .external, rdevice: rdevice)
    }

    /// Refuses controlling terminals that a restore could not give back.
    func checkSessions() throws(DumpError) {
        let inside = Set(snapshot.tasks.map(\.sid.rawValue))
        for image in images where image.isMaster && image.session != 0 {
            guard inside.contains(Int32(bitPattern: image.session)) else {
                let what =
                    "/dev/pts/\(image.id >> 1), the controlling terminal of session \(image.session) outside"
                throw .found(Finding(.terminalMaster, place(of: image), what))
            }
        }
    }

    private func place(of side: TerminalImage) -> FindingObject {
        let place = places[side.id]
        return FindingObject(pid: place?.pid, fd: place?.fd, path: side.pair.map { "/dev/pts/\($0)" })
    }

    /// Takes what waits in pairs whose two sides are in the tree, and puts it back at once.
    mutating func copyUnread(_ notes: UndoNotes) throws(DumpError) {
        for place in images.indices {
            let image = images[place]
            guard image.kind == .pair, let modes = image.modes, let pair = image.pair,
                image.isMaster || images.contains(where: { $0.id == pair << 1 | 1 }),
                let owner = places[image.id]
            else { continue }
            do throws(Errno) {
                images[place].unread = try Self.unread(image, modes, owner.pid, owner.fd, notes)
            } catch {
                if error.rawValue == EBUSY {
                    throw .found(
                        Finding(
                            .terminalUnread, self.place(of: image),
                            "/dev/pts/\(pair), where a control byte of packet mode waits"))
                }
                throw .task(owner.pid, "unread bytes of its terminal fd \(owner.fd) cannot be taken", error)
            }
            if images[place].unread.count > TerminalImage.mostUnread {
                throw .found(
                    Finding(
                        .terminalUnread, self.place(of: image),
                        "/dev/pts/\(pair), with \(images[place].unread.count) unread bytes, at most "
                            + "\(TerminalImage.mostUnread) are carried"))
            }
        }
    }

    private static func unread(
        _ image: TerminalImage, _ modes: TerminalModes, _ pid: PID, _ number: Int32, _ notes: UndoNotes
    ) throws(Errno) -> [UInt8] {
        let pidfd = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(pid.rawValue), 0)))
        let side = OwnedFD(
            taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), Int(number), 0)))
        let isMaster = image.isMaster
        // A look that changes nothing: of a canonical slave it does not see an unfinished line.
        if isMaster || !modes.isCanonical, try TerminalControl.unread(side.rawValue) == 0,
            try !TerminalQueue.ready(side.rawValue, Int16(POLLIN))
        {
            return []
        }
        let before = UndoNote.terminalModes(pid: pid, fd: number, modes: modes)
        let mark = isMaster ? nil : try notes.add(before)
        let bytes = try TerminalQueue.take(
            side.rawValue, modes: modes, isMaster: isMaster, isPacket: image.isPacket)
        if !bytes.isEmpty {
            let note = try notes.add(
                .terminalInput(pid: pid, fd: number, modes: modes, isMaster: isMaster, bytes: bytes))
            try TerminalQueue.put(bytes, into: side.rawValue, modes: modes, isMaster: isMaster, peer: nil)
            try notes.remove(note)
        }
        if let mark { try notes.remove(mark) }
        return bytes
    }
}
