import CPlatform
import Glibc

/// Reads a connection by TCP_REPAIR of tcp(7): its queues, sequence numbers, windows and options.
///
/// The connection must be locked, and its tasks stopped. It is in repair only while it is read, so that a program whose
/// tracer dies finds it as it was a moment later.
struct TCPStreamReader {
    let fd: Int32
    /// Distance in sequence numbers from what was read last to what came last, a FIN counted.
    let unread: Int

    private static let peek = 2
    private static let dontWait = 0x40
    private static let receiveQueue: UInt32 = 1
    private static let sendQueue: UInt32 = 2
    private static let bytesUnread = 0x541b
    private static let bytesNotAcknowledged = 0x5411
    private static let bytesNotSent = 0x894b

    /// Its state when it was read, and the connection. ENODATA: bytes that wait cannot be read, as urgent ones.
    func read() throws(Errno) -> (state: UInt32, stream: TCPStreamImage) {
        let info = try SocketCalls.option(fd, SocketOption.tcpLevel, TCPOption.info, size: 104)
        let state = UInt32(info[0])
        var stream = TCPStreamImage()
        stream.options = TCPStreamImage.Options(rawValue: UInt32(info[5]) & 7)
        stream.sendScale = UInt32(info[6] & 0xf)
        stream.receiveScale = UInt32(info[6] >> 4)
        if stream.options.contains(.timestamps) {
            stream.timestamp = try number(TCPOption.timestamp)
        }
        stream.segmentLimit = try number(TCPOption.maximumSegment)
        stream.window = try window()
        var outgoing = Int(try queued(Self.bytesNotAcknowledged))
        stream.unsent = Int(try queued(Self.bytesNotSent))
        // A FIN that is not acknowledged is counted, and is the last to be sent.
        if TCPState.hasUnacknowledgedFIN(state), outgoing > 0 {
            outgoing -= 1
            if stream.unsent > 0 { stream.unsent -= 1 }
        }
        let incoming = Int(try queued(Self.bytesUnread))
        // The count of FIONREAD ends before an urgent byte, which no peek crosses.
        if unread - incoming > (TCPState.hasPeerFIN(state) ? 1 : 0) { throw Errno(rawValue: ENODATA) }
        try setQueue(Self.sendQueue)
        stream.sendSequence = try number(TCPOption.queueSequence)
        stream.sent = try bytes(outgoing)
        try setQueue(Self.receiveQueue)
        stream.receiveSequence = try number(TCPOption.queueSequence)
        stream.received = try bytes(incoming)
        return (state, stream)
    }

    private func number(_ name: Int32) throws(Errno) -> UInt32 {
        try SocketCalls.number(fd, SocketOption.tcpLevel, name)
    }

    private func setQueue(_ queue: UInt32) throws(Errno) {
        try SocketCalls.set(fd, SocketOption.tcpLevel, TCPOption.repairQueue, queue)
    }

    private func window() throws(Errno) -> TCPStreamImage.Window {
        let bytes = try SocketCalls.option(fd, SocketOption.tcpLevel, TCPOption.repairWindow, size: 20)
        var window = TCPStreamImage.Window()
        window.sequence = TCPOption.word(bytes, 0)
        window.send = TCPOption.word(bytes, 4)
        window.greatest = TCPOption.word(bytes, 8)
        window.receive = TCPOption.word(bytes, 12)
        window.receiveUpdate = TCPOption.word(bytes, 16)
        return window
    }

    private func queued(_ request: Int) throws(Errno) -> UInt32 {
        var count: Int32 = 0
        try withUnsafeMutablePointer(to: &count) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(fd), request, Int(bitPattern: pointer))
        }
        return UInt32(max(count, 0))
    }

    /// All bytes of the chosen queue, which stay there.
    private func bytes(_ count: Int) throws(Errno) -> [UInt8] {
        if count == 0 { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try systemCall(
                CP_SYS_recvfrom, Int(fd), Int(bitPattern: buffer.baseAddress), count,
                Self.peek | Self.dontWait)
        }
        if got != count { throw Errno(rawValue: ENODATA) }
        return bytes
    }
}

/// What states of include/net/tcp_states.h say of the FIN of each side.
enum TCPState {
    static let established: UInt32 = 1
    static let finWait1: UInt32 = 4
    static let finWait2: UInt32 = 5
    static let close: UInt32 = 7
    static let closeWait: UInt32 = 8
    static let lastAck: UInt32 = 9
    static let listen: UInt32 = 10
    static let closing: UInt32 = 11

    /// FIN-WAIT-1, CLOSING, LAST-ACK.
    static func hasUnacknowledgedFIN(_ state: UInt32) -> Bool {
        [finWait1, closing, lastAck].contains(state)
    }
    /// Ours went first: FIN-WAIT-1, FIN-WAIT-2, CLOSING.
    static func closedFirst(_ state: UInt32) -> Bool { [finWait1, finWait2, closing].contains(state) }
    /// Ours is in the sequence numbers.
    static func hasOwnFIN(_ state: UInt32) -> Bool { closedFirst(state) || state == lastAck }
    /// The peer's is in the sequence numbers.
    static func hasPeerFIN(_ state: UInt32) -> Bool { [closeWait, lastAck, closing].contains(state) }
}

/// TCP_REPAIR of tcp(7), on and off.
enum TCPRepair {
    static let off: UInt32 = 0
    static let on: UInt32 = 1
    /// Off, without a probe of the peer's window.
    private static let offQuietly = UInt32(bitPattern: -1)

    static func enter(_ fd: Int32) throws(Errno) {
        try SocketCalls.set(fd, SocketOption.tcpLevel, TCPOption.repair, on)
    }

    /// The kernel clears SO_REUSEADDR with it, so that is set again.
    static func leave(_ fd: Int32, reusesAddress: Bool) throws(Errno) {
        try SocketCalls.set(fd, SocketOption.tcpLevel, TCPOption.repair, offQuietly)
        try SocketCalls.set(fd, SocketOption.socketLevel, SocketOption.reuseAddress, reusesAddress ? 1 : 0)
    }

    /// Off, and asks the peer where it is.
    static func leaveProbing(_ fd: Int32, reusesAddress: Bool) throws(Errno) {
        try SocketCalls.set(fd, SocketOption.tcpLevel, TCPOption.repair, off)
        try SocketCalls.set(fd, SocketOption.socketLevel, SocketOption.reuseAddress, reusesAddress ? 1 : 0)
    }
}
