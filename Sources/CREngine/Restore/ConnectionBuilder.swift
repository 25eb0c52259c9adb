import CPlatform
import Glibc

/// Makes one end of a TCP connection by TCP_REPAIR of tcp(7). The connection must be locked; repair stays on.
struct ConnectionBuilder {
    let fd: Int32
    let image: InetSocketImage
    let stream: TCPStreamImage

    private static let receiveQueue: UInt32 = 1
    private static let sendQueue: UInt32 = 2
    /// Bytes a call; the kernel makes one buffer of them.
    private static let chunk = 1 << 15

    /// Sequence numbers of the ends of both queues, without a FIN.
    private var receiveEnd: UInt32 {
        stream.receiveSequence &- (TCPState.hasPeerFIN(image.state) ? 1 : 0)
    }
    private var sendEnd: UInt32 { stream.sendSequence &- (TCPState.hasOwnFIN(image.state) ? 1 : 0) }

    /// Before bind(2), so that others may have the port.
    func enterRepair() throws(RestoreError) {
        try about("cannot be put into repair") { () throws(Errno) in try TCPRepair.enter(fd) }
    }

    /// The socket is bound and has its options.
    func connect() throws(RestoreError) {
        try about("its sequence numbers cannot be set") { () throws(Errno) in
            try setQueue(Self.receiveQueue)
            try set(TCPOption.queueSequence, receiveEnd &- UInt32(stream.received.count))
            try setQueue(Self.sendQueue)
            try set(TCPOption.queueSequence, sendEnd &- UInt32(stream.sent.count))
        }
        let address = image.remote.socketAddress(scope: try image.scope())
        try about("cannot be connected again") { () throws(Errno) in
            try SocketCalls.connect(fd, address)
        }
        try setOptions()
        try fillQueues()
        try setWindow()
        try sizeSegments()
        try close()
    }

    private func setOptions() throws(RestoreError) {
        // struct tcp_repair_opt: code, value
        let (segment, scale, selective, timestamps): (UInt32, UInt32, UInt32, UInt32) = (2, 3, 4, 8)
        var options: [UInt32] = []
        if stream.options.contains(.selectiveAcknowledgement) { options += [selective, 0] }
        if stream.options.contains(.windowScale) {
            options += [scale, stream.sendScale | stream.receiveScale << 16]
        }
        if stream.options.contains(.timestamps) { options += [timestamps, 0] }
        options += [segment, stream.segmentLimit]
        let bytes = options.flatMap { SocketCalls.bytes(of: $0) }
        try about("what it agreed on with its peer cannot be set") { () throws(Errno) in
            try SocketCalls.set(fd, SocketOption.tcpLevel, TCPOption.repairOptions, bytes)
            if let timestamp = stream.timestamp, stream.options.contains(.timestamps) {
                try set(TCPOption.timestamp, timestamp)
            }
        }
    }

    /// Buffers are large while the queues are filled: the kernel counts its own overhead, which was another one before.
    private func fillQueues() throws(RestoreError) {
        if stream.received.isEmpty && stream.sent.isEmpty { return }
        let room = UInt32(clamping: (stream.received.count + stream.sent.count) * 2 + (1 << 20))
        try about("its buffers cannot be made larger") { () throws(Errno) in
            for option in [SocketOption.forceReceiveBuffer, SocketOption.forceSendBuffer] {
                try SocketCalls.set(fd, SocketOption.socketLevel, option, room)
            }
        }
        let sentBefore = stream.sent.count - stream.unsent
        try about("its \(stream.received.count) unread bytes cannot be put back") { () throws(Errno) in
            try setQueue(Self.receiveQueue)
            try put(stream.received[...])
        }
        try about("its \(stream.sent.count) unacknowledged bytes cannot be put back") { () throws(Errno) in
            try setQueue(Self.sendQueue)
            try put(stream.sent[..<sentBefore])
            if stream.unsent == 0 { return }
            // The kernel itself sends these; the lock keeps them here until it goes.
            try TCPRepair.leave(fd, reusesAddress: true)
            try put(stream.sent[sentBefore...])
            try TCPRepair.enter(fd)
        }
        try about("its buffers cannot be made as large as they were") { () throws(Errno) in
            try SocketCalls.set(
                fd, SocketOption.socketLevel, SocketOption.forceReceiveBuffer, image.options.receiveBuffer / 2
            )
            try SocketCalls.set(
                fd, SocketOption.socketLevel, SocketOption.forceSendBuffer, image.options.sendBuffer / 2)
        }
    }

    private func setWindow() throws(RestoreError) {
        guard var window = stream.window else { return }
        if TCPState.hasPeerFIN(image.state) {
            // The peer's FIN is counted in these and comes only below.
            window.receiveUpdate &-= 1
            window.receive &+= 1
        }
        let words = [
            window.sequence, window.send, window.greatest, window.receive, window.receiveUpdate,
        ]
        try about("its windows cannot be set") { () throws(Errno) in
            try SocketCalls.set(
                fd, SocketOption.tcpLevel, TCPOption.repairWindow, words.flatMap { SocketCalls.bytes(of: $0) }
            )
        }
    }

    /// The kernel sizes segments as it connects, where it still takes the peer's limit for 536 bytes, and again only when
    /// the peer's window outgrows the greatest there was, which may be never. Setting IP_OPTIONS, here to none, has it
    /// done at once, for IPv6 too (tcp_sync_mss() of net/ipv4/tcp_output.c, called by net/ipv4/ip_sockglue.c).
    private func sizeSegments() throws(RestoreError) {
        let noOptions: [UInt8] = []
        try about("the size of its segments cannot be set") { () throws(Errno) in
            try SocketCalls.set(fd, SocketOption.ipLevel, IPOption.options, noOptions)
        }
    }

    /// Brings a connection that a side has closed into its state: ours by shutdown(2), which sends nothing in repair,
    /// the peer's by a segment that we send in its name.
    private func close() throws(RestoreError) {
        let state = image.state
        let first = sendEnd &- UInt32(stream.sent.count)
        if TCPState.closedFirst(state) { try shutdown() }
        if TCPState.hasPeerFIN(state) {
            try inject(flags: [.finish, .acknowledge], sequence: receiveEnd, acknowledges: first)
            let next = TCPState.closedFirst(state) ? TCPState.closing : TCPState.closeWait
            try reach(next)
        }
        if state == TCPState.lastAck { try shutdown() }
        if state == TCPState.finWait2 {
            try inject(flags: [.acknowledge], sequence: receiveEnd, acknowledges: sendEnd &+ 1)
            try reach(TCPState.finWait2)
        }
    }

    private func shutdown() throws(RestoreError) {
        try about("its own end cannot be closed") { () throws(Errno) -> Void in
            try setQueue(Self.sendQueue)
            try systemCall(CP_SYS_shutdown, Int(fd), Int(SHUT_WR))
        }
    }

    private func inject(
        flags: TCPSegment.Flags, sequence: UInt32, acknowledges: UInt32
    ) throws(RestoreError) {
        let segment = TCPSegment(
            from: image.remote.unmapped, to: image.local.unmapped, flags: flags, sequence: sequence,
            acknowledges: acknowledges,
            window: UInt16(clamping: (stream.window?.send ?? 0) >> stream.sendScale))
        try about("a segment in the name of its peer cannot be sent") { () throws(Errno) in
            try segment.send(mark: ConnectionLock.mark)
        }
    }

    private func reach(_ state: UInt32) throws(RestoreError) {
        let deadline = Deadline.after(milliseconds: 2000)
        while true {
            var now: UInt32 = 0
            try about("its state cannot be read") { () throws(Errno) in
                let info = try SocketCalls.option(fd, SocketOption.tcpLevel, TCPOption.info, size: 104)
                now = UInt32(info[0])
            }
            if now == state { return }
            if deadline.hasPassed {
                throw RestoreError(
                    image.subject, "does not get into state \(state) and stays in \(now)",
                    remedy: "let packets with mark \(ConnectionLock.mark) pass the firewall on lo")
            }
            usleep(500)
        }
    }

    private func put(_ bytes: ArraySlice<UInt8>) throws(Errno) {
        var rest = bytes
        let flags = 0x4000 | 0x40  // MSG_NOSIGNAL, MSG_DONTWAIT
        while !rest.isEmpty {
            let part = Array(rest.prefix(Self.chunk))
            let count = try part.withUnsafeBufferPointer { (buffer) throws(Errno) -> Int in
                try systemCall(
                    CP_SYS_sendto, Int(fd), Int(bitPattern: buffer.baseAddress), buffer.count, flags)
            }
            if count == 0 { throw .io }
            rest = rest.dropFirst(count)
        }
    }

    private func set(_ name: Int32, _ value: UInt32) throws(Errno) {
        try SocketCalls.set(fd, SocketOption.tcpLevel, name, value)
    }

    private func setQueue(_ queue: UInt32) throws(Errno) { try set(TCPOption.repairQueue, queue) }

    private func about(_ fact: String, _ body: () throws(Errno) -> Void) throws(RestoreError) {
        try RestoreError.about(image.subject, fact, body)
    }
}
