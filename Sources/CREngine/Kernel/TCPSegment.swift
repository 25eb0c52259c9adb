import CPlatform
import Glibc

/// One segment of TCP without data, sent through a raw socket in somebody else's name.
struct TCPSegment {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static let finish = Flags(rawValue: 1)
        static let acknowledge = Flags(rawValue: 16)
    }
    let from: InetEndpoint
    let to: InetEndpoint
    let flags: Flags
    let sequence: UInt32
    let acknowledges: UInt32
    let window: UInt16

    private static let tcp: UInt8 = 6
    private static let size = 20

    /// Sends it to an address of this host; the mark is SO_MARK of socket(7).
    func send(mark: UInt32) throws(Errno) {
        let isFour = to.address.count == 4
        let rawProtocol: UInt32 = 255
        let socket = try SocketCalls.make(isFour ? UInt32(AF_INET) : UInt32(AF_INET6), 3, rawProtocol)
        try SocketCalls.set(socket.rawValue, SocketOption.socketLevel, SocketOption.mark, mark)
        let packet = header() + segment()
        let address = InetEndpoint(address: to.address, port: 0).socketAddress()
        try packet.withUnsafeBufferPointer { (packet) throws(Errno) -> Void in
            try address.withUnsafeBufferPointer { (address) throws(Errno) -> Void in
                try systemCall(
                    CP_SYS_sendto, Int(socket.rawValue), Int(bitPattern: packet.baseAddress), packet.count, 0,
                    Int(bitPattern: address.baseAddress), address.count)
            }
        }
    }

    /// The kernel fills in length, id and checksum of an IPv4 header; ip(7).
    private func header() -> [UInt8] {
        if to.address.count == 4 {
            let fixed: [UInt8] = [0x45, 0, 0, UInt8(20 + Self.size), 0, 0, 0x40, 0, 64, Self.tcp, 0, 0]
            return fixed + from.address + to.address
        }
        return [0x60, 0, 0, 0, 0, UInt8(Self.size), Self.tcp, 64] + from.address + to.address
    }

    private func segment() -> [UInt8] {
        var bytes = Self.big(from.port) + Self.big(to.port) + Self.big(sequence) + Self.big(acknowledges)
        bytes += [0x50, flags.rawValue] + Self.big(window) + [0, 0, 0, 0]
        let pseudo = from.address + to.address + [0, Self.tcp] + Self.big(UInt16(Self.size))
        let sum = Self.checksum(pseudo + bytes)
        bytes[16] = UInt8(sum >> 8)
        bytes[17] = UInt8(sum & 0xff)
        return bytes
    }

    /// RFC 1071, of an even number of bytes.
    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for place in stride(from: 0, to: bytes.count - 1, by: 2) {
            sum += UInt32(bytes[place]) << 8 | UInt32(bytes[place + 1])
        }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }

    private static func big<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
