import CPlatform
import Glibc

/// Modes of a terminal as the kernel keeps them: `struct termios2` of asm-generic/termbits.h, 44 bytes.
package struct TerminalModes: Equatable, Sendable, Codable {
    package static let controlCharacters = 19
    package var input: UInt32 = 0
    package var output: UInt32 = 0
    package var control: UInt32 = 0
    package var local: UInt32 = 0
    package var line: UInt8 = 0
    /// 19, by V* number.
    package var characters = [UInt8](repeating: 0, count: Self.controlCharacters)
    /// Bits a second; of use only where `control` names no speed (BOTHER).
    package var inputSpeed: UInt32 = 0
    package var outputSpeed: UInt32 = 0
    package init() {}

    package static let canonical: UInt32 = 0o2
    package static let echo: UInt32 = 0o10

    /// Whether lines are put together before they can be read (ICANON).
    package var isCanonical: Bool { local & Self.canonical != 0 }

    /// These modes with all that changes, drops or echoes bytes taken away: what is written arrives as it is.
    ///
    /// ICANON and the characters that end a line stay, so that lines stay lines; IXON and IXOFF go.
    package var transparent: TerminalModes {
        var modes = self
        modes.input &= 0o100000  // IUTF8
        modes.output &= ~1  // OPOST
        // ISIG, ECHO, ECHOE, ECHOK, ECHONL, TOSTOP, ECHOCTL, ECHOPRT, ECHOKE, IEXTEN
        let changing: [UInt32] = [0o1, 0o10, 0o20, 0o40, 0o100, 0o400, 0o1000, 0o2000, 0o4000, 0o100000]
        for bit in changing { modes.local &= ~bit }
        let lineEnds: Set<Int> = [4, 11, 16]  // VEOF, VEOL, VEOL2
        for place in modes.characters.indices where !lineEnds.contains(place) {
            // VMIN and VTIME are counts; the others are off with zero.
            if place != 5 && place != 6 { modes.characters[place] = 0 }
        }
        return modes
    }
}

/// Rows, columns, and pixels of a terminal's window.
package struct WindowSize: Equatable, Sendable, BitwiseCopyable {
    package var rows: UInt16 = 0
    package var columns: UInt16 = 0
    package var width: UInt16 = 0
    package var height: UInt16 = 0
    package init() {}
}

/// ioctl(2) calls on a terminal that somebody else holds open. See ioctl_tty(2).
package enum TerminalControl {
    private static let getModes = 0x802c_542a  // TCGETS2
    private static let setModes = 0x402c_542b  // TCSETS2
    private static let getLocked = 0x5456  // TIOCGLCKTRMIOS
    private static let setLocked = 0x5457
    private static let modesSize = 44

    /// Throws EIO where the other side of the pair is gone.
    package static func modes(_ fd: Int32) throws(Errno) -> TerminalModes {
        parse(try fill(fd, getModes, count: modesSize))
    }

    package static func setModes(_ fd: Int32, _ modes: TerminalModes) throws(Errno) {
        try give(fd, setModes, bytes(modes))
    }

    /// Bits that nobody but the privileged may change. `struct termios`, 36 bytes.
    package static func lockedModes(_ fd: Int32) throws(Errno) -> TerminalModes {
        parse(try fill(fd, getLocked, count: modesSize))
    }

    package static func setLockedModes(_ fd: Int32, _ modes: TerminalModes) throws(Errno) {
        try give(fd, setLocked, bytes(modes))
    }

    package static func windowSize(_ fd: Int32) throws(Errno) -> WindowSize {
        let bytes = try fill(fd, 0x5413, count: 8)
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: WindowSize.self) }
    }

    /// The foreground group, if there is one, gets SIGWINCH where the size changes.
    package static func setWindowSize(_ fd: Int32, _ size: WindowSize) throws(Errno) {
        try give(fd, 0x5414, withUnsafeBytes(of: size) { Array($0) })
    }

    /// Number of the pair, from its master (TIOCGPTN).
    package static func pairIndex(_ fd: Int32) throws(Errno) -> UInt32 {
        UInt32(bitPattern: try word(fd, 0x8004_5430))
    }

    /// Whether the slave cannot be opened (TIOCGPTLCK); of the master.
    package static func isLocked(_ fd: Int32) throws(Errno) -> Bool { try word(fd, 0x8004_5439) != 0 }
    package static func setLocked(_ fd: Int32, _ isLocked: Bool) throws(Errno) {
        try setWord(fd, 0x4004_5431, isLocked ? 1 : 0)
    }

    /// Whether the master reads a control byte before the data (TIOCGPKT); of the master.
    package static func isPacket(_ fd: Int32) throws(Errno) -> Bool { try word(fd, 0x8004_5438) != 0 }
    package static func setPacket(_ fd: Int32, _ isPacket: Bool) throws(Errno) {
        try setWord(fd, 0x5420, isPacket ? 1 : 0)
    }

    /// TIOCGEXCL
    package static func isExclusive(_ fd: Int32) throws(Errno) -> Bool { try word(fd, 0x8004_5440) != 0 }
    package static func setExclusive(_ fd: Int32, _ isExclusive: Bool) throws(Errno) {
        try systemCall(CP_SYS_ioctl, Int(fd), isExclusive ? 0x540c : 0x540d, 0)
    }

    /// The session that has it as its controlling terminal, asked of the master; 0 for none.
    package static func session(_ fd: Int32) throws(Errno) -> Int32 { try process(fd, 0x5429) }

    /// The foreground process group; 0 for none. Of the master, or of our own controlling terminal.
    package static func foreground(_ fd: Int32) throws(Errno) -> Int32 { try process(fd, 0x540f) }
    package static func setForeground(_ fd: Int32, _ group: Int32) throws(Errno) {
        try setWord(fd, 0x5410, group)
    }

    /// Bytes that a read would give now (FIONREAD): of a canonical terminal those of whole lines.
    package static func unread(_ fd: Int32) throws(Errno) -> Int { Int(try word(fd, 0x541b)) }

    private static func process(_ fd: Int32, _ request: Int) throws(Errno) -> Int32 {
        do throws(Errno) {
            return try word(fd, request)
        } catch {
            if error.rawValue == ENOTTY { return 0 }
            throw error
        }
    }

    private static func word(_ fd: Int32, _ request: Int) throws(Errno) -> Int32 {
        let bytes = try fill(fd, request, count: 4)
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
    }

    private static func setWord(_ fd: Int32, _ request: Int, _ value: Int32) throws(Errno) {
        try give(fd, request, withUnsafeBytes(of: value) { Array($0) })
    }

    private static func fill(_ fd: Int32, _ request: Int, count: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(fd), request, Int(bitPattern: buffer.baseAddress))
        }
        return bytes
    }

    private static func give(_ fd: Int32, _ request: Int, _ bytes: [UInt8]) throws(Errno) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(fd), request, Int(bitPattern: buffer.baseAddress))
        }
    }

    private static func parse(_ bytes: [UInt8]) -> TerminalModes {
        var modes = TerminalModes()
        bytes.withUnsafeBytes { raw in
            modes.input = raw.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
            modes.output = raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            modes.control = raw.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
            modes.local = raw.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
            modes.inputSpeed = raw.loadUnaligned(fromByteOffset: 36, as: UInt32.self)
            modes.outputSpeed = raw.loadUnaligned(fromByteOffset: 40, as: UInt32.self)
        }
        modes.line = bytes[16]
        modes.characters = Array(bytes[17..<36])
        return modes
    }

    private static func bytes(_ modes: TerminalModes) -> [UInt8] {
        var bytes: [UInt8] = []
        func add(_ word: UInt32) { withUnsafeBytes(of: word) { bytes += Array($0) } }
        for word in [modes.input, modes.output, modes.control, modes.local] { add(word) }
        bytes.append(modes.line)
        bytes += modes.characters
        add(modes.inputSpeed)
        add(modes.outputSpeed)
        return bytes
    }
}
