import CPlatform
import Glibc

/// socket(2) and its relatives on descriptors of our own; options as bytes, as the kernel takes them.
enum SocketCalls {
    static func make(_ family: UInt32, _ type: UInt32, _ proto: UInt32) throws(Errno) -> OwnedFD {
        let closeOnExec = 0o2000000
        return OwnedFD(
            taking: Int32(
                try systemCall(CP_SYS_socket, Int(family), Int(type) | closeOnExec, Int(proto))))
    }

    /// Up to `size` bytes of an option; fewer where the kernel has fewer.
    static func option(
        _ fd: Int32, _ level: Int32, _ name: Int32, size: Int
    ) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(size, 1))
        var length = UInt32(size)
        try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try withUnsafeMutablePointer(to: &length) { (length) throws(Errno) -> Void in
                try systemCall(
                    CP_SYS_getsockopt, Int(fd), Int(level), Int(name), Int(bitPattern: buffer.baseAddress),
                    Int(bitPattern: length))
            }
        }
        return Array(bytes.prefix(Int(length)))
    }

    /// An option of four bytes.
    static func number(_ fd: Int32, _ level: Int32, _ name: Int32) throws(Errno) -> UInt32 {
        let bytes = try option(fd, level, name, size: 4)
        return bytes.indices.reduce(0) { $0 | UInt32(bytes[$1]) << UInt32(8 * $1) }
    }

    static func set(_ fd: Int32, _ level: Int32, _ name: Int32, _ bytes: [UInt8]) throws(Errno) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_setsockopt, Int(fd), Int(level), Int(name), Int(bitPattern: buffer.baseAddress),
                buffer.count)
        }
    }

    static func set(_ fd: Int32, _ level: Int32, _ name: Int32, _ number: UInt32) throws(Errno) {
        try set(fd, level, name, bytes(of: number))
    }

    /// getsockname(2); the bytes of a `struct sockaddr`.
    static func localAddress(_ fd: Int32) throws(Errno) -> [UInt8] {
        try address(CP_SYS_getsockname, fd)
    }

    /// getpeername(2); ENOTCONN where there is no peer.
    static func remoteAddress(_ fd: Int32) throws(Errno) -> [UInt8] {
        try address(CP_SYS_getpeername, fd)
    }

    static func bind(_ fd: Int32, _ address: [UInt8]) throws(Errno) {
        try call(CP_SYS_bind, fd, address)
    }

    static func connect(_ fd: Int32, _ address: [UInt8]) throws(Errno) {
        try call(CP_SYS_connect, fd, address)
    }

    /// A duplicate of a descriptor of another process.
    static func duplicate(pidfd: Int32, descriptor: Int32) throws(Errno) -> OwnedFD {
        OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd), Int(descriptor), 0)))
    }

    static func bytes(of number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
    }

    private static func call(_ number: Int, _ fd: Int32, _ address: [UInt8]) throws(Errno) {
        try address.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
            try systemCall(number, Int(fd), Int(bitPattern: buffer.baseAddress), buffer.count)
        }
    }

    private static func address(_ number: Int, _ fd: Int32) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 128)
        var length = UInt32(bytes.count)
        try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
            try withUnsafeMutablePointer(to: &length) { (length) throws(Errno) -> Void in
                try systemCall(
                    number, Int(fd), Int(bitPattern: buffer.baseAddress), Int(bitPattern: length))
            }
        }
        return Array(bytes.prefix(Int(length)))
    }
}

/// Numbers of socket(7), ip(7), tcp(7)… that both halves of the engine use; from the kernel's uapi headers.
enum SocketOption {
    static let socketLevel: Int32 = 1
    static let ipLevel: Int32 = 0
    static let ipv6Level: Int32 = 41
    static let tcpLevel: Int32 = 6
    static let udpLevel: Int32 = 17
    static let rawLevel: Int32 = 255
    static let packetLevel: Int32 = 263
    static let netlinkLevel: Int32 = 270

    static let reuseAddress: Int32 = 2
    static let type: Int32 = 3
    static let dontRoute: Int32 = 5
    static let broadcast: Int32 = 6
    static let sendBuffer: Int32 = 7
    static let receiveBuffer: Int32 = 8
    static let keepAlive: Int32 = 9
    static let inlineUrgent: Int32 = 10
    static let noCheck: Int32 = 11
    static let priority: Int32 = 12
    static let linger: Int32 = 13
    static let reusePort: Int32 = 15
    static let passCredentials: Int32 = 16
    static let receiveLowWater: Int32 = 18
    static let receiveTimeout: Int32 = 20
    static let sendTimeout: Int32 = 21
    static let bindToDevice: Int32 = 25
    /// Sets; SO_GET_FILTER is the same number.
    static let attachFilter: Int32 = 26
    static let forceSendBuffer: Int32 = 32
    static let forceReceiveBuffer: Int32 = 33
    static let passSecurity: Int32 = 34
    static let mark: Int32 = 36
    static let proto: Int32 = 38
    static let domain: Int32 = 39
    static let lockFilter: Int32 = 44
    static let bufferLocks: Int32 = 72

    static let onlyIPv6: Int32 = 26
}
