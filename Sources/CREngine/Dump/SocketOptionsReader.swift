import CPlatform
import Glibc

/// Reads the SOL_SOCKET options of a duplicate of a socket; see socket(7).
enum SocketOptionsReader {
    /// `credentials` says that the family has SO_PASSCRED and SO_PASSSEC.
    static func read(_ fd: Int32, credentials: Bool) throws(Errno) -> SocketOptionsImage {
        var options = SocketOptionsImage()
        options.sendBuffer = try word(fd, SO_SNDBUF)
        options.receiveBuffer = try word(fd, SO_RCVBUF)
        options.sendTimeout = try timeout(fd, SO_SNDTIMEO)
        options.receiveTimeout = try timeout(fd, SO_RCVTIMEO)
        options.reusesAddress = try word(fd, SO_REUSEADDR) != 0
        options.priority = try word(fd, SO_PRIORITY)
        options.receiveLowWater = try word(fd, SO_RCVLOWAT)
        let mark = try word(fd, SO_MARK)
        if mark != 0 { options.mark = mark }
        if credentials {
            options.passesCredentials = try word(fd, SO_PASSCRED) != 0
            options.passesSecurity = try word(fd, SO_PASSSEC) != 0
        }
        options.dontRoute = try word(fd, SO_DONTROUTE) != 0
        options.noCheck = try word(fd, SO_NO_CHECK) != 0
        let device = try bytes(fd, SO_BINDTODEVICE, room: 16)
        let name = String(decoding: device.prefix { $0 != 0 }, as: UTF8.self)
        if !name.isEmpty { options.boundDevice = name }
        options.filter = try filter(fd)
        options.reusesPort = try word(fd, SO_REUSEPORT) != 0
        options.broadcasts = try word(fd, SO_BROADCAST) != 0
        options.keepsAlive = try word(fd, SO_KEEPALIVE) != 0
        options.inlinesUrgent = try word(fd, SO_OOBINLINE)
        let linger = try bytes(fd, SO_LINGER, room: 8).words
        if linger.count == 2, linger[0] != 0 { options.linger = linger[1] }
        do throws(Errno) {
            options.bufferLocks = try word(fd, 72)  // SO_BUF_LOCK
        } catch {
            // Kernels before 5.14 have no such option.
            if error.rawValue != ENOPROTOOPT { throw error }
        }
        return options
    }

    /// The value of an option that is an int.
    static func word(_ fd: Int32, _ option: Int32) throws(Errno) -> UInt32 {
        guard let value = try bytes(fd, option, room: 4).words.first else { throw .invalid }
        return value
    }

    /// The value of an option of SOL_SOCKET as bytes, no more than `room`.
    static func bytes(_ fd: Int32, _ option: Int32, room: Int) throws(Errno) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: room)
        var length = UInt32(room)
        try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try withUnsafeMutablePointer(to: &length) { (length) throws(Errno) -> Void in
                try systemCall(
                    CP_SYS_getsockopt, Int(fd), Int(SOL_SOCKET), Int(option),
                    Int(bitPattern: buffer.baseAddress), Int(bitPattern: length))
            }
        }
        return Array(buffer.prefix(Int(length)))
    }

    private static func timeout(_ fd: Int32, _ option: Int32) throws(Errno) -> SocketOptionsImage.Timeout {
        let words = try bytes(fd, option, room: 16).words
        var timeout = SocketOptionsImage.Timeout()
        guard words.count == 4 else { throw .invalid }
        timeout.seconds = UInt64(words[0]) | UInt64(words[1]) << 32
        timeout.microseconds = UInt64(words[2]) | UInt64(words[3]) << 32
        return timeout
    }

    /// Instructions of a classic filter; EACCES for one that has only its translation or is eBPF.
    ///
    /// The option's length counts instructions of 8 bytes, and the kernel writes none where the buffer has no room;
    /// net/core/filter.c, sk_get_filter().
    private static func filter(_ fd: Int32) throws(Errno) -> [UInt64] {
        var count: UInt32 = 0
        func get(_ address: Int) throws(Errno) {
            try withUnsafeMutablePointer(to: &count) { (pointer) throws(Errno) -> Void in
                try systemCall(
                    CP_SYS_getsockopt, Int(fd), Int(SOL_SOCKET), Int(SO_ATTACH_FILTER), address,
                    Int(bitPattern: pointer))
            }
        }
        try get(0)
        if count == 0 { return [] }
        var words = [UInt64](repeating: 0, count: Int(count))
        try words.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try get(Int(bitPattern: buffer.baseAddress))
        }
        // struct sock_filter: code, jt, jf, k.
        return words.map {
            ($0 & 0xffff) << 48 | ($0 >> 16 & 0xff) << 40 | ($0 >> 24 & 0xff) << 32 | $0 >> 32
        }
    }
}

extension [UInt8] {
    /// Whole 32-bit words in the byte order of this machine.
    fileprivate var words: [UInt32] {
        stride(from: 0, to: count & ~3, by: 4).map { place in
            (0..<4).reduce(0) { $0 | UInt32(self[place + $1]) << UInt32(8 * $1) }
        }
    }
}
