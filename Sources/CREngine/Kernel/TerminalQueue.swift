import CPlatform
import Glibc

/// Unread bytes of one side of a terminal. The kernel lets nobody look at them without taking them out.
///
/// They go back by TIOCSTI, which is done when it returns and needs no other side. See tiocsti in drivers/tty/tty_io.c
/// and drivers/tty/n_tty.c.
package enum TerminalQueue {
    /// What the line discipline holds at most (N_TTY_BUF_SIZE - 1); what is above waits in the other side's buffer.
    private static let mostInserted = 4095

    /// Takes everything out, an unfinished line too. `modes` are the present ones, which it has again afterwards.
    ///
    /// Throws EBUSY where a control byte of packet mode waits on a master, which could not be put back.
    package static func take(
        _ fd: Int32, modes: TerminalModes, isMaster: Bool, isPacket: Bool
    ) throws(Errno) -> [UInt8] {
        if isMaster {
            if try ready(fd, Int16(POLLPRI)) { throw Errno(rawValue: EBUSY) }
            return try takeReady(fd, skipsFirst: isPacket, endOfFile: nil)
        }
        var eager = modes
        eager.characters[5] = 0  // VTIME
        eager.characters[6] = 1  // VMIN
        var bytes: [UInt8] = []
        if modes.isCanonical {
            bytes = try takeReady(fd, skipsFirst: false, endOfFile: modes.characters[4])
            eager.local &= ~TerminalModes.canonical
        }
        try TerminalControl.setModes(fd, eager)
        let rest = Result { () throws(Errno) in try takeReady(fd, skipsFirst: false, endOfFile: nil) }
        try TerminalControl.setModes(fd, modes)
        return bytes + (try rest.get())
    }

    /// Puts bytes into the queue as they are. `modes` are those that the slave is to have afterwards. `peer` is the other
    /// side, for what does not fit into the queue at once.
    package static func put(
        _ bytes: [UInt8], into fd: Int32, modes: TerminalModes, isMaster: Bool, peer: Int32?
    ) throws(Errno) {
        if !isMaster { try TerminalControl.setModes(fd, modes.transparent) }
        let done = Result { () throws(Errno) -> Void in
            for byte in bytes.prefix(mostInserted) {
                var byte = byte
                try withUnsafeMutablePointer(to: &byte) { (pointer) throws(Errno) -> Void in
                    try systemCall(CP_SYS_ioctl, Int(fd), 0x5412, Int(bitPattern: pointer))
                }
            }
            if bytes.count > mostInserted {
                guard let peer else { throw .noSpace }
                try write(Array(bytes.dropFirst(mostInserted)), peer)
            }
        }
        if !isMaster { try TerminalControl.setModes(fd, modes) }
        try done.get()
    }

    private static func write(_ bytes: [UInt8], _ fd: Int32) throws(Errno) {
        var done = 0
        while done < bytes.count {
            guard try ready(fd, Int16(POLLOUT)) else { throw .noSpace }
            let start = done
            done += try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) -> Int in
                try systemCall(
                    CP_SYS_write, Int(fd), Int(bitPattern: buffer.baseAddress) + start, 1)
            }
        }
    }

    /// Reads while poll(2) says that a read would not wait. A read of nothing is the end-of-file character.
    private static func takeReady(
        _ fd: Int32, skipsFirst: Bool, endOfFile: UInt8?
    ) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while try ready(fd, Int16(POLLIN)) {
            let count = try buffer.withUnsafeMutableBufferPointer { (target) throws(Errno) -> Int in
                do throws(Errno) {
                    return try systemCall(
                        CP_SYS_read, Int(fd), Int(bitPattern: target.baseAddress), target.count)
                } catch {
                    // A master whose slave is closed, once it is empty.
                    if error == .io { return -1 }
                    throw error
                }
            }
            if count < 0 { return all }
            if count == 0 {
                guard let endOfFile, endOfFile != 0 else { return all }
                all.append(endOfFile)
            } else {
                all += buffer[(skipsFirst ? 1 : 0)..<count]
            }
        }
        return all
    }

    /// Whether poll(2) says so now; POLLHUP alone does not count.
    package static func ready(_ fd: Int32, _ events: Int16) throws(Errno) -> Bool {
        try look(fd, events) & events != 0
    }

    /// Whether all slaves of a master were closed.
    package static func isHungUp(_ fd: Int32) throws(Errno) -> Bool {
        try look(fd, Int16(POLLIN)) & Int16(POLLHUP) != 0
    }

    private static func look(_ fd: Int32, _ events: Int16) throws(Errno) -> Int16 {
        var row = pollfd(fd: fd, events: events, revents: 0)
        try withUnsafeMutablePointer(to: &row) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_poll, Int(bitPattern: pointer), 1, 0)
        }
        return row.revents
    }
}
