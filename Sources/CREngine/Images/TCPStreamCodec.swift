import CPlatform

// tcp-stream-INODE.img: one entry, the receive queue, the send queue.

extension TCPStreamImage {
    func write(inode: UInt32, to directory: borrowing OwnedFD) throws(ImageError) {
        var file = ImageFileWriter(.tcpStream, name: ImageName.tcpStream(inode))
        file.append(packed())
        file.append(payload: received)
        file.append(payload: sent)
        try file.save(in: directory)
    }

    private func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(tcp_stream_entry__init)
            message.pointee.inq_len = UInt32(received.count)
            message.pointee.inq_seq = receiveSequence
            message.pointee.outq_len = UInt32(sent.count)
            message.pointee.outq_seq = sendSequence
            message.pointee.opt_mask = options.rawValue
            message.pointee.snd_wscale = sendScale
            message.pointee.mss_clamp = segmentLimit
            (message.pointee.has_rcv_wscale, message.pointee.rcv_wscale) = (1, receiveScale)
            if let timestamp { (message.pointee.has_timestamp, message.pointee.timestamp) = (1, timestamp) }
            (message.pointee.has_unsq_len, message.pointee.unsq_len) = (1, UInt32(unsent))
            guard let window else { return message }
            (message.pointee.has_snd_wl1, message.pointee.snd_wl1) = (1, window.sequence)
            (message.pointee.has_snd_wnd, message.pointee.snd_wnd) = (1, window.send)
            (message.pointee.has_max_window, message.pointee.max_window) = (1, window.greatest)
            (message.pointee.has_rcv_wnd, message.pointee.rcv_wnd) = (1, window.receive)
            (message.pointee.has_rcv_wup, message.pointee.rcv_wup) = (1, window.receiveUpdate)
            return message
        }
    }

    init(_ reader: consuming ImageFileReader) throws(ImageError) {
        guard let entry = try reader.next() else {
            throw ImageError(file: reader.name, "holds no connection")
        }
        var lengths = (received: 0, sent: 0)
        self = try entry.read(tcp_stream_entry__unpack) { (message) throws(ImageError) -> Self in
            lengths = (Int(message.inq_len), Int(message.outq_len))
            return Self(message)
        }
        guard unsent <= lengths.sent else {
            throw entry.error("\(unsent) bytes were not sent, of \(lengths.sent)")
        }
        received = try reader.payload(lengths.received)
        sent = try reader.payload(lengths.sent)
    }

    private init(_ message: TcpStreamEntry) {
        self.init()
        receiveSequence = message.inq_seq
        sendSequence = message.outq_seq
        options = Options(rawValue: message.opt_mask)
        sendScale = message.snd_wscale
        receiveScale = message.rcv_wscale
        segmentLimit = message.mss_clamp
        timestamp = given(message.has_timestamp, message.timestamp)
        unsent = Int(given(message.has_unsq_len, message.unsq_len) ?? 0)
        guard message.has_snd_wnd != 0 else { return }
        var window = Window()
        window.sequence = message.snd_wl1
        window.send = message.snd_wnd
        window.greatest = message.max_window
        window.receive = message.rcv_wnd
        window.receiveUpdate = message.rcv_wup
        self.window = window
    }
}
