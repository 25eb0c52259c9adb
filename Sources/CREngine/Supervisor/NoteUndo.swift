import CPlatform
import Glibc

/// Does what the notes of a dead worker say. What cannot be done is returned, one line each.
enum NoteUndo {
    static func run(_ notes: UndoNotes) -> [String] {
        do throws(Errno) {
            let pending = try notes.pending()
            let isPublished = pending.contains(where: isPublished)
            return pending.compactMap { note in
                if isPublished, case .name = note { return nil }
                return undo(note)
            }
        } catch {
            return ["the notes of the undo journal cannot be read: \(error)"]
        }
    }

    /// Whether the note is of an image directory that has got its last name.
    private static func isPublished(_ note: UndoNote) -> Bool {
        guard case .publishing(let images, let inode) = note else { return false }
        var now = stat()
        return lstat(images, &now) == 0 && UInt64(now.st_ino) == inode
    }

    private static func undo(_ note: UndoNote) -> String? {
        switch note {
        case .publishing: return nil
        case .name(let path, let inode):
            do throws(Errno) {
                try HelperName.remove(path, inode: inode)
                return nil
            } catch {
                return "\(path) cannot be removed: \(error)"
            }
        case .frozenGroup(let file, let state):
            do throws(Errno) {
                try ProcText.write(file, state)
                return nil
            } catch {
                return "\(file) cannot be set to \(state): \(error)"
            }
        case .packetRules(let connections):
            do throws(IPTables.Failure) {
                try IPTables.remove(connections)
                return nil
            } catch {
                return "rules of iptables that hold \(connections.count) connections stay: \(error)"
            }
        case .terminalModes(let pid, let fd, let modes):
            return failing(pid, fd) { (side) throws(Errno) in try TerminalControl.setModes(side, modes) }
        case .terminalInput(let pid, let fd, let modes, let isMaster, let bytes):
            return failing(pid, fd) { (side) throws(Errno) in
                // Part of it may be back already, and more may have come behind that.
                let present = try TerminalQueue.take(side, modes: modes, isMaster: isMaster, isPacket: false)
                let again = zip(present, bytes).prefix { $0 == $1 }.count
                try TerminalQueue.put(
                    bytes + present.dropFirst(again), into: side, modes: modes, isMaster: isMaster, peer: nil)
            }
        }
    }

    private static func failing(
        _ pid: PID, _ fd: Int32, _ body: (Int32) throws(Errno) -> Void
    ) -> String? {
        do throws(Errno) {
            let pidfd = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(pid.rawValue), 0)))
            let side = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd.rawValue), Int(fd), 0)))
            try body(side.rawValue)
            return nil
        } catch {
            return "the terminal fd \(fd) of process \(pid) cannot be put back as it was: \(error)"
        }
    }
}

/// A hard link that a dump makes for a file that has no name where the program knows it.
enum HelperName {
    /// Removes the name where it still leads to this inode; no error where it is gone.
    static func remove(_ path: String, inode: UInt64) throws(Errno) {
        var now = stat()
        guard lstat(path, &now) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return }
            throw Errno(rawValue: errno)
        }
        guard UInt64(now.st_ino) == inode else { return }
        if unlink(path) != 0 && errno != ENOENT { throw Errno(rawValue: errno) }
    }
}
