import CPlatform
import Glibc

/// Puts SOL_SOCKET options on a new socket.
struct SocketOptionsSetter {
    let fd: Int32
    /// What errors are about: `tcp 10.0.0.1:80`.
    let subject: String
    let options: SocketOptionsImage
    let extras: SocketExtras?
    /// An end of a connection of TCP, which is in repair: no device and no SO_REUSEADDR until that is over.
    var isConnection = false

    /// What has to be there before the socket is bound: the owner, sizes of buffers, the device, and all that CRIU's
    /// image does not have.
    func setBeforeBind() throws(RestoreError) {
        try setOwner()
        if let device = options.boundDevice, !isConnection { try bindToDevice(device) }
        try set("size of its send buffer", SocketOption.forceSendBuffer, options.sendBuffer / 2)
        try set("size of its receive buffer", SocketOption.forceReceiveBuffer, options.receiveBuffer / 2)
        for option in extras?.options ?? []
        where option.level != SocketOption.socketLevel || option.name != SocketOption.lockFilter {
            try about("option \(option.level)/\(option.name)") { () throws(Errno) in
                try SocketCalls.set(fd, option.level, option.name, option.value)
            }
        }
        if !isConnection { try attachFilter() }
    }

    /// The rest, when the socket is bound and, where it is one of a connection, connected.
    func setAfterBind() throws(RestoreError) {
        // Of a connection only now: it would see the segments that bring it into its state.
        if isConnection { try attachFilter() }
        if let locks = options.bufferLocks {
            try set("SO_BUF_LOCK", SocketOption.bufferLocks, locks)
        }
        if !isConnection { try set("SO_REUSEADDR", SocketOption.reuseAddress, options.reusesAddress) }
        try set("SO_PRIORITY", SocketOption.priority, options.priority)
        try set("SO_RCVLOWAT", SocketOption.receiveLowWater, options.receiveLowWater)
        try set("SO_MARK", SocketOption.mark, options.mark)
        try set("SO_PASSCRED", SocketOption.passCredentials, options.passesCredentials, isRare: true)
        try set("SO_PASSSEC", SocketOption.passSecurity, options.passesSecurity, isRare: true)
        try set("SO_DONTROUTE", SocketOption.dontRoute, options.dontRoute)
        try set("SO_NO_CHECK", SocketOption.noCheck, options.noCheck, isRare: true)
        try set("SO_BROADCAST", SocketOption.broadcast, options.broadcasts, isRare: true)
        try set("SO_KEEPALIVE", SocketOption.keepAlive, options.keepsAlive)
        if let inlines = options.inlinesUrgent, inlines != 0 {
            try set("SO_OOBINLINE", SocketOption.inlineUrgent, inlines)
        }
        if let linger = options.linger {
            let value = SocketCalls.bytes(of: 1) + SocketCalls.bytes(of: linger)
            try about("SO_LINGER") { () throws(Errno) in
                try SocketCalls.set(fd, SocketOption.socketLevel, SocketOption.linger, value)
            }
        }
        try set("SO_SNDTIMEO", SocketOption.sendTimeout, options.sendTimeout)
        try set("SO_RCVTIMEO", SocketOption.receiveTimeout, options.receiveTimeout)
        for membership in extras?.memberships ?? [] {
            let group = InetEndpoint(address: membership.group, port: 0)
            try about("membership of \(group) on \(membership.interface)") { () throws(Errno) in
                try MulticastGroups.restore(fd, membership)
            }
        }
        for option in extras?.options ?? []
        where option.level == SocketOption.socketLevel && option.name == SocketOption.lockFilter {
            try about("SO_LOCK_FILTER") { () throws(Errno) in
                try SocketCalls.set(fd, option.level, option.name, option.value)
            }
        }
    }

    /// O_NONBLOCK and the like; O_ASYNC comes with the owner of its signals.
    func setFlags(_ flags: UInt32) throws(RestoreError) {
        let settable = Int32(bitPattern: flags) & (O_NONBLOCK | O_APPEND | O_NOATIME)
        if settable == 0 { return }
        try about("flags") { () throws(Errno) in
            try systemCall(CP_SYS_fcntl, Int(fd), Int(F_SETFL), Int(settable))
        }
    }

    func bindToDevice(_ device: String) throws(RestoreError) {
        try about("device \(device)") { () throws(Errno) in
            try SocketCalls.set(
                fd, SocketOption.socketLevel, SocketOption.bindToDevice, Array(device.utf8) + [0])
        }
    }

    /// The socket's owner is the user that fchown(2) gives it.
    private func setOwner() throws(RestoreError) {
        guard let uid = extras?.uid, let gid = extras?.gid else { return }
        var now = stat()
        if fstat(fd, &now) == 0, now.st_uid == uid, now.st_gid == gid { return }
        try about("owner \(uid)") { () throws(Errno) in
            try systemCall(CP_SYS_fchown, Int(fd), Int(uid), Int(gid))
        }
    }

    /// struct sock_fprog with its array of struct sock_filter.
    private func attachFilter() throws(RestoreError) {
        if options.filter.isEmpty { return }
        let program = options.filter.map { word in
            word >> 48 | (word >> 40 & 0xff) << 16 | (word >> 32 & 0xff) << 24 | (word & 0xffff_ffff) << 32
        }
        try about("filter of \(program.count) instructions") { () throws(Errno) in
            try program.withUnsafeBufferPointer { (code) throws(Errno) -> Void in
                let words = [UInt64(program.count), UInt64(UInt(bitPattern: code.baseAddress))]
                let head = words.flatMap { word in
                    (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
                }
                try SocketCalls.set(fd, SocketOption.socketLevel, SocketOption.attachFilter, head)
            }
        }
    }

    private func set(_ name: String, _ option: Int32, _ value: Bool?, isRare: Bool = false)
        throws(RestoreError)
    {
        // What few families have is left alone unless it is to be on.
        guard let value, value || !isRare else { return }
        try set(name, option, value ? 1 : 0)
    }

    private func set(_ name: String, _ option: Int32, _ value: UInt32?) throws(RestoreError) {
        guard let value else { return }
        try about(name) { () throws(Errno) in
            try SocketCalls.set(fd, SocketOption.socketLevel, option, value)
        }
    }

    private func set(
        _ name: String, _ option: Int32, _ timeout: SocketOptionsImage.Timeout
    ) throws(RestoreError) {
        if timeout == SocketOptionsImage.Timeout() { return }
        let words = [timeout.seconds, timeout.microseconds]
        let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
        try about(name) { () throws(Errno) in
            try SocketCalls.set(fd, SocketOption.socketLevel, option, bytes)
        }
    }

    private func about(_ what: String, _ body: () throws(Errno) -> Void) throws(RestoreError) {
        try RestoreError.about(subject, "its \(what) cannot be set", body)
    }
}
