import CPlatform
import Glibc

/// A message of a unix socket with what travels beside its bytes; see unix(7) and cmsg(3).
struct SocketMessage: Equatable, Sendable {
    var bytes: [UInt8]
    /// SCM_RIGHTS: descriptors of this process.
    var rights: [Int32] = []
    /// SCM_CREDENTIALS.
    var credentials: SocketCredentialsImage?
    /// Of a message to be sent, the receiver's struct sockaddr; of one that was received, the sender's. Empty for none.
    var address: [UInt8] = []

    init(bytes: [UInt8]) { self.bytes = bytes }

    private static let rightsType: Int32 = 1
    private static let credentialsType: Int32 = 2

    /// Sends it whole; a stream that takes only a part is EAGAIN. SIGPIPE is never raised.
    func send(through fd: Int32, flags: Int = 0) throws(Errno) {
        var control: [UInt8] = []
        if !rights.isEmpty {
            control += Self.part(Self.rightsType, rights.flatMap { number in Self.raw(number) })
        }
        if let credentials {
            control += Self.part(
                Self.credentialsType,
                Self.raw(credentials.pid) + Self.raw(credentials.uid) + Self.raw(credentials.gid))
        }
        let noSignal = 0x4000
        var sent = 0
        try Self.withHeader(bytes: bytes, control: control, address: address) {
            (header) throws(Errno) -> Void in
            sent = try systemCall(CP_SYS_sendmsg, Int(fd), Int(bitPattern: header), flags | noSignal)
        }
        if sent != bytes.count { throw .again }
    }

    /// Looks at a message without taking it. Nil where the queue is at its end.
    ///
    /// `rights` are descriptors of ours then, close-on-exec, and must be closed. A message of more than `room` bytes is
    /// cut, and the second value is the length that it has.
    static func peek(_ fd: Int32, room: Int) throws(Errno) -> (message: SocketMessage, length: Int)? {
        try look(fd, room: room, flags: peekFlag | dontWait)
    }

    /// Waits for a message and takes it; nil at the end of a connection. One that has no bytes is none, and one of more than
    /// `room` is an error.
    static func receive(_ fd: Int32, room: Int) throws(Errno) -> SocketMessage? {
        guard let (message, length) = try look(fd, room: room, flags: 0), length > 0 else { return nil }
        if length > room { throw Errno(rawValue: EMSGSIZE) }
        return message
    }

    private static func look(
        _ fd: Int32, room: Int, flags wanted: Int
    ) throws(Errno) -> (message: SocketMessage, length: Int)? {
        let bytes = [UInt8](repeating: 0, count: max(room, 1))
        // 253 descriptors, credentials, a security label, a pidfd; include/net/scm.h.
        let control = [UInt8](repeating: 0, count: 4096)
        var message = SocketMessage(bytes: [])
        var length = 0
        do throws(Errno) {
            try withHeader(
                bytes: bytes, control: control, address: [UInt8](repeating: 0, count: 112)
            ) { (header) throws(Errno) -> Void in
                let flags = wanted | truncate | closeOnExec
                length = try systemCall(CP_SYS_recvmsg, Int(fd), Int(bitPattern: header), flags)
                let head = header.pointee
                message.bytes = read(head.msg_iov.pointee.iov_base, min(length, room))
                message.address = read(head.msg_name, Int(head.msg_namelen))
                message.takeControl(read(head.msg_control, head.msg_controllen))
            }
        } catch {
            if error == .again { return nil }
            throw error
        }
        return (message, length)
    }

    private static let peekFlag = 2
    private static let truncate = 0x20
    private static let dontWait = 0x40
    private static let closeOnExec = 0x4000_0000

    private static func read(_ start: UnsafeMutableRawPointer?, _ count: Int) -> [UInt8] {
        guard let start else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Takes what the control messages say; a pidfd of SCM_PIDFD is closed.
    private mutating func takeControl(_ bytes: [UInt8]) {
        func word(_ place: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
        }
        var place = 0
        while place + 16 <= bytes.count {
            let size = Int(word(place))
            guard size >= 16, place + size <= bytes.count else { return }
            let words = stride(from: place + 16, to: place + size - 3, by: 4).map(word)
            switch Int32(bitPattern: word(place + 12)) {
            case Self.rightsType: rights += words.map { Int32(bitPattern: $0) }
            case Self.credentialsType where words.count == 3:
                credentials = SocketCredentialsImage(
                    pid: Int32(bitPattern: words[0]), uid: words[1], gid: words[2])
            case Self.pidfdType: for fd in words { _ = close(Int32(bitPattern: fd)) }
            default: break
            }
            place += (size + 7) & ~7
        }
    }

    private static let pidfdType: Int32 = 4

    private static func part(_ type: Int32, _ data: [UInt8]) -> [UInt8] {
        let bytes = raw(16 + data.count) + raw(Int32(SOL_SOCKET)) + raw(type) + data
        return bytes + [UInt8](repeating: 0, count: -bytes.count & 7)
    }

    static func raw<Value: BitwiseCopyable>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value) { Array($0) }
    }

    private static func withHeader(
        bytes: [UInt8], control: [UInt8], address: [UInt8],
        _ body: (UnsafeMutablePointer<msghdr>) throws(Errno) -> Void
    ) throws(Errno) {
        var (bytes, control, address) = (bytes, control, address)
        try bytes.withUnsafeMutableBufferPointer { (data) throws(Errno) -> Void in
            try control.withUnsafeMutableBufferPointer { (parts) throws(Errno) -> Void in
                try address.withUnsafeMutableBufferPointer { (name) throws(Errno) -> Void in
                    var vector = iovec(iov_base: data.baseAddress, iov_len: data.count)
                    try withUnsafeMutablePointer(to: &vector) { (vector) throws(Errno) -> Void in
                        var header = msghdr()
                        header.msg_iov = vector
                        header.msg_iovlen = 1
                        if !name.isEmpty {
                            header.msg_name = UnsafeMutableRawPointer(name.baseAddress)
                            header.msg_namelen = socklen_t(name.count)
                        }
                        if !parts.isEmpty {
                            header.msg_control = UnsafeMutableRawPointer(parts.baseAddress)
                            header.msg_controllen = parts.count
                        }
                        try withUnsafeMutablePointer(to: &header) { (pointer) throws(Errno) -> Void in
                            try body(pointer)
                        }
                    }
                }
            }
        }
    }
}
