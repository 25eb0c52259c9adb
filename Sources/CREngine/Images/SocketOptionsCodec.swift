import CPlatform

// sk_opts_entry, part of every socket's entry in files.img.

extension SocketOptionsImage {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<SkOptsEntry> {
        let message = arena.make(sk_opts_entry__init)
        message.pointee.so_sndbuf = sendBuffer
        message.pointee.so_rcvbuf = receiveBuffer
        message.pointee.so_snd_tmo_sec = sendTimeout.seconds
        message.pointee.so_snd_tmo_usec = sendTimeout.microseconds
        message.pointee.so_rcv_tmo_sec = receiveTimeout.seconds
        message.pointee.so_rcv_tmo_usec = receiveTimeout.microseconds
        func set<Scalar>(
            _ value: Scalar?, _ has: WritableKeyPath<SkOptsEntry, protobuf_c_boolean>,
            _ field: WritableKeyPath<SkOptsEntry, Scalar>
        ) {
            guard let value else { return }
            message.pointee[keyPath: has] = 1
            message.pointee[keyPath: field] = value
        }
        func flag(_ value: Bool?) -> protobuf_c_boolean? { value.map { $0 ? 1 : 0 } }
        set(flag(reusesAddress), \.has_reuseaddr, \.reuseaddr)
        set(priority, \.has_so_priority, \.so_priority)
        set(receiveLowWater, \.has_so_rcvlowat, \.so_rcvlowat)
        set(mark, \.has_so_mark, \.so_mark)
        set(flag(passesCredentials), \.has_so_passcred, \.so_passcred)
        set(flag(passesSecurity), \.has_so_passsec, \.so_passsec)
        set(flag(dontRoute), \.has_so_dontroute, \.so_dontroute)
        set(flag(noCheck), \.has_so_no_check, \.so_no_check)
        if let boundDevice { message.pointee.so_bound_dev = arena.string(boundDevice) }
        (message.pointee.n_so_filter, message.pointee.so_filter) = (filter.count, arena.array(filter))
        set(flag(reusesPort), \.has_so_reuseport, \.so_reuseport)
        set(flag(broadcasts), \.has_so_broadcast, \.so_broadcast)
        set(flag(keepsAlive), \.has_so_keepalive, \.so_keepalive)
        set(keepCount, \.has_tcp_keepcnt, \.tcp_keepcnt)
        set(keepIdle, \.has_tcp_keepidle, \.tcp_keepidle)
        set(keepInterval, \.has_tcp_keepintvl, \.tcp_keepintvl)
        set(inlinesUrgent, \.has_so_oobinline, \.so_oobinline)
        set(linger, \.has_so_linger, \.so_linger)
        set(bufferLocks, \.has_so_buf_lock, \.so_buf_lock)
        return message
    }

    init(_ message: SkOptsEntry, _ entry: ImageEntry) throws(ImageError) {
        self.init()
        sendBuffer = message.so_sndbuf
        receiveBuffer = message.so_rcvbuf
        sendTimeout.seconds = message.so_snd_tmo_sec
        sendTimeout.microseconds = message.so_snd_tmo_usec
        receiveTimeout.seconds = message.so_rcv_tmo_sec
        receiveTimeout.microseconds = message.so_rcv_tmo_usec
        reusesAddress = given(message.has_reuseaddr, message.reuseaddr != 0)
        priority = given(message.has_so_priority, message.so_priority)
        receiveLowWater = given(message.has_so_rcvlowat, message.so_rcvlowat)
        mark = given(message.has_so_mark, message.so_mark)
        passesCredentials = given(message.has_so_passcred, message.so_passcred != 0)
        passesSecurity = given(message.has_so_passsec, message.so_passsec != 0)
        dontRoute = given(message.has_so_dontroute, message.so_dontroute != 0)
        noCheck = given(message.has_so_no_check, message.so_no_check != 0)
        if message.so_bound_dev != nil {
            boundDevice = try entry.text(message.so_bound_dev, "device that a socket is bound to")
        }
        filter = scalarList(message.so_filter, message.n_so_filter)
        reusesPort = given(message.has_so_reuseport, message.so_reuseport != 0)
        broadcasts = given(message.has_so_broadcast, message.so_broadcast != 0)
        keepsAlive = given(message.has_so_keepalive, message.so_keepalive != 0)
        keepCount = given(message.has_tcp_keepcnt, message.tcp_keepcnt)
        keepIdle = given(message.has_tcp_keepidle, message.tcp_keepidle)
        keepInterval = given(message.has_tcp_keepintvl, message.tcp_keepintvl)
        inlinesUrgent = given(message.has_so_oobinline, message.so_oobinline)
        linger = given(message.has_so_linger, message.so_linger)
        bufferLocks = given(message.has_so_buf_lock, message.so_buf_lock)
    }
}
