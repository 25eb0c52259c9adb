import CPlatform
import Glibc

/// sock_diag(7): the sockets of our network namespace, asked of the kernel without touching one.
package enum SockDiag {
    /// All unix sockets.
    package static func unixSockets() throws(Errno) -> [SocketFacts] {
        var request = Self.bytes(UInt8(1), UInt8(0), UInt16(0))
        // All states; name, bound file, peer, connections that wait, queues.
        for word in [0xffff_ffff, 0, 0x1f, 0, 0] as [UInt32] { request += Self.bytes(word) }
        return try dump(request) { message in
            guard message.count >= 16 else { return nil }
            var socket = SocketFacts(
                inode: UInt64(message.word(4)), family: .unix,
                protocolName: message.byte(1) == 1 ? "UNIX-STREAM" : "UNIX")
            socket.type = UInt32(message.byte(1))
            socket.state = SocketFacts.State(rawValue: message.byte(2))
            var facts = UnixSocketFacts()
            attributes(message.dropFirst(16)) { type, value in
                switch type {
                case 0: socket.local = name(value)
                case 1 where value.count >= 8:
                    facts.boundFile = .init(device: value.word(4), inode: value.word(0))
                case 2 where value.count >= 4:
                    socket.peerInode = UInt64(value.word(0))
                    facts.hasPeer = true
                case 3: facts.waiting = (0..<value.count / 4).map { value.word($0 * 4) }
                case 4 where value.count >= 8:
                    facts.receiveQueue = value.word(0)
                    facts.sendQueue = value.word(4)
                case 6 where value.count >= 1: facts.shutdown = value.byte(0)
                default: break
                }
            }
            socket.unix = facts
            return socket
        }
    }

    /// `10.0.0.1:80`, `[::1]:80`.
    static func endpoint(_ address: [UInt8], _ port: UInt16) -> String {
        var text = [CChar](repeating: 0, count: 64)
        let isFour = address.count == 4
        _ = address.withUnsafeBytes {
            inet_ntop(isFour ? AF_INET : AF_INET6, $0.baseAddress, &text, socklen_t(text.count))
        }
        let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return isFour ? "\(host):\(port)" : "[\(host)]:\(port)"
    }

    /// A bound name: a path, or `@` and an abstract name.
    private static func name(_ raw: ArraySlice<UInt8>) -> String {
        if raw.first == 0 { return "@" + String(decoding: raw.dropFirst(), as: UTF8.self) }
        return String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Sends one dump request and reads answers to the end of the dump.
    static func dump(
        _ request: [UInt8], _ understand: (Message) -> SocketFacts?
    ) throws(Errno) -> [SocketFacts] {
        let socket = OwnedFD(
            taking: Int32(
                try systemCall(
                    CP_SYS_socket, Int(AF_NETLINK), Int(SOCK_RAW.rawValue) | Int(SOCK_CLOEXEC.rawValue), 4)))
        // SOCK_DIAG_BY_FAMILY; NLM_F_REQUEST | NLM_F_DUMP
        let header = bytes(UInt32(16 + request.count)) + bytes(UInt16(20)) + bytes(UInt16(0x301))
        try socket.writeAll(header + bytes(UInt32(1)) + bytes(UInt32(0)) + request)
        var found: [SocketFacts] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
                try socket.read(into: UnsafeMutableRawBufferPointer(buffer))
            }
            var rest = buffer[0..<count]
            while rest.count >= 16 {
                let length = min(Int(rest.word(0)), rest.count)
                if length < 16 { throw .io }
                let body = rest.dropFirst(16).prefix(length - 16)
                switch rest.word(4) & 0xffff {
                case 3: return found
                case 2:
                    let code = body.count >= 4 ? Int32(bitPattern: body.word(0)) : -EIO
                    if code == 0 { return found }
                    throw Errno(rawValue: -code)
                default: if let socket = understand(body) { found.append(socket) }
                }
                rest = rest.dropFirst((length + 3) & ~3)
            }
        }
    }

    typealias Message = ArraySlice<UInt8>

    static func attributes(_ part: Message, _ each: (UInt16, Message) -> Void) {
        var rest = part
        while rest.count >= 4 {
            let length = Int(rest.word(0) & 0xffff)
            if length < 4 || length > rest.count { return }
            each(UInt16(rest.word(0) >> 16), rest.prefix(length).dropFirst(4))
            rest = rest.dropFirst((length + 3) & ~3)
        }
    }

    static func bytes<each Value: FixedWidthInteger>(_ values: repeat each Value) -> [UInt8] {
        var all: [UInt8] = []
        for value in repeat each values {
            withUnsafeBytes(of: value) { all.append(contentsOf: $0) }
        }
        return all
    }
}

extension ArraySlice<UInt8> {
    /// The byte at an offset from the start of the slice.
    func byte(_ offset: Int) -> UInt8 { self[startIndex + offset] }
    /// Four bytes at an offset, little-endian.
    func word(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(byte(offset + $1)) << UInt32(8 * $1) }
    }
    /// Two bytes at an offset, in network order.
    func port(_ offset: Int) -> UInt16 {
        UInt16(byte(offset)) << 8 | UInt16(byte(offset + 1))
    }
    func part(_ offset: Int, _ length: Int) -> [UInt8] {
        Array(dropFirst(offset).prefix(length))
    }
}
