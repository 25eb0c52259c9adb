import CPlatform
import Glibc

/// A message of a unix socket with what travels beside its bytes; see unix(7) and cmsg(3).
struct SocketMessage: Equatable, Sendable {
    /// SCM_CREDENTIALS: struct ucred.
    struct Credentials: Equatable, Sendable {
        var pid: Int32
        var uid: UInt32
        var gid: UInt32
    }
    var bytes: [UInt8]
    /// SCM_RIGHTS: descriptors of this process.
    var rights: [Int32] = []
    var credentials: Credentials?
    /// The sender's address as bytes of struct sockaddr, for sending the receiver's; empty for none.
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
