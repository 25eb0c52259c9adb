import CPlatform
import Glibc

/// The sockets of AF_INET and AF_INET6 of a tree, made by us.
///
/// All are bound before the first listens or connects: an end of a connection has the port of the listening socket
/// that it came from, which the kernel allows only to sockets that do not listen yet.
final class InetSockets {
    private let images: [(id: UInt32, image: InetSocketImage)]
    private let extras: [UInt32: SocketExtras]
    private let streams: [UInt32: TCPStreamImage]
    private let network: NetworkRestore
    /// Ours, by file id; taken out by whoever opens them.
    private var made: [UInt32: Int32]?

    init(tree: TreeImage, network: NetworkRestore) {
        self.network = network
        streams = tree.tcpStreams
        images = tree.files.compactMap { file in
            guard case .inetSocket(var image) = file.content else { return nil }
            if image.wasConnection || image.isConnection && !network.comesBack(image) { image.close() }
            return (file.id, image)
        }
        extras = tree.socketExtras
    }

    deinit { closeAll() }

    /// The socket of a file, once.
    func open(_ id: UInt32) throws(RestoreError) -> OwnedFD {
        if made == nil { try makeAll() }
        guard let fd = made?.removeValue(forKey: id) else {
            throw RestoreError("socket \(id)", "is asked for twice")
        }
        return OwnedFD(taking: fd)
    }

    func closeAll() {
        for fd in (made ?? [:]).values { _ = close(fd) }
        made = [:]
    }

    private func makeAll() throws(RestoreError) {
        made = [:]
        for (id, image) in images { made?[id] = try bound(id, image).release() }
        for (id, image) in images {
            guard let fd = made?[id] else { continue }
            try activate(fd, image)
        }
        for (id, image) in images {
            guard let fd = made?[id] else { continue }
            let setter = setter(fd, id, image)
            try setter.setAfterBind()
            if image.isConnection {
                // Only now: what came in the peer's name came over lo.
                if let device = image.options.boundDevice { try setter.bindToDevice(device) }
                try network.hold(fd, image)
            }
            try setter.setFlags(image.flags)
        }
    }

    private func setter(_ fd: Int32, _ id: UInt32, _ image: InetSocketImage) -> SocketOptionsSetter {
        SocketOptionsSetter(
            fd: fd, subject: image.subject, options: image.options, extras: extras[id],
            isConnection: image.isConnection)
    }

    private func bound(_ id: UInt32, _ image: InetSocketImage) throws(RestoreError) -> OwnedFD {
        let socket = try RestoreError.about(image.subject, "cannot be made") { () throws(Errno) in
            try SocketCalls.make(image.family, image.type, image.proto)
        }
        let fd = socket.rawValue
        // A raw socket has a number from the start, after which the kernel refuses the option.
        if let only = image.onlyIPv6, image.type != 3 {
            try RestoreError.about(image.subject, "its IPV6_V6ONLY cannot be set") { () throws(Errno) in
                try SocketCalls.set(
                    fd, SocketOption.ipv6Level, SocketOption.onlyIPv6, only ? 1 : 0)
            }
        }
        try InetOptionsSetter(fd: fd, image: image).set()
        if image.isConnection, let stream = streams[image.inode] {
            try ConnectionBuilder(fd: fd, image: image, stream: stream).enterRepair()
        }
        try setter(fd, id, image).setBeforeBind()
        try bind(fd, image)
        return socket
    }

    private func bind(_ fd: Int32, _ image: InetSocketImage) throws(RestoreError) {
        // The port of a raw socket is its protocol.
        if image.type == 3 ? !image.local.hasAddress : image.local.isEmpty { return }
        var local = image.local
        if image.type == 3 { local.port = 0 }
        let address = local.socketAddress(scope: try image.scope())
        do throws(Errno) {
            // The real flag comes when all users of the port are there.
            // In repair the kernel has it by itself.
            if !image.isConnection {
                try set(
                    fd, SocketOption.reuseAddress, image.type == 1 ? true : image.options.reusesAddress)
            }
            try set(fd, SocketOption.reusePort, image.options.reusesPort)
            do throws(Errno) {
                try SocketCalls.bind(fd, address)
            } catch {
                guard error.rawValue == EADDRINUSE, image.type != 1 else { throw error }
                // The program may have taken the flag back after its own bind(2).
                try set(fd, SocketOption.reuseAddress, true)
                try SocketCalls.bind(fd, address)
            }
        } catch {
            throw RestoreError(
                image.subject, "cannot be bound to \(image.local)", errno: error,
                remedy: error.rawValue == EADDRINUSE ? "end whoever has the port (ss -anp shows it)" : nil)
        }
    }

    private func set(_ fd: Int32, _ option: Int32, _ value: Bool?) throws(Errno) {
        guard let value else { return }
        try SocketCalls.set(fd, SocketOption.socketLevel, option, value ? 1 : 0)
    }

    private func activate(_ fd: Int32, _ image: InetSocketImage) throws(RestoreError) {
        if image.isConnection {
            guard let stream = streams[image.inode] else { return }
            return try ConnectionBuilder(fd: fd, image: image, stream: stream).connect()
        }
        if image.listens {
            try RestoreError.about(image.subject, "cannot listen") { () throws(Errno) -> Void in
                try systemCall(CP_SYS_listen, Int(fd), Int(image.backlog))
            }
        } else if image.type != 1, image.state == 1 {
            let address = image.remote.socketAddress(scope: try image.scope())
            try RestoreError.about(image.subject, "cannot be connected to \(image.remote)") {
                () throws(Errno) in try SocketCalls.connect(fd, address)
            }
        }
        guard let shutdown = image.shutdown, shutdown != 0, shutdown < 4 else { return }
        do throws(Errno) {
            try systemCall(CP_SYS_shutdown, Int(fd), Int(shutdown) - 1)
        } catch {
            // Said of a socket without a connection, which is shut down nevertheless; net/ipv4/af_inet.c.
            if error.rawValue == ENOTCONN { return }
            throw RestoreError(image.subject, "cannot be shut down", errno: error)
        }
    }
}

extension InetSocketImage {
    /// For messages: `tcp 10.0.0.1:80`.
    var subject: String {
        let name =
            switch (type, proto) {
            case (1, _): "tcp"
            case (2, 17): "udp"
            case (2, 136): "udp-lite"
            case (2, _): "icmp"
            default: "raw protocol \(proto)"
            }
        let far = remote.isEmpty ? "" : " -> \(remote)"
        return "\(name) \(local)\(far)"
    }

    /// Index of the interface of a link-local address; 0 for none.
    func scope() throws(RestoreError) -> UInt32 {
        guard let interface else { return 0 }
        let index = if_nametoindex(interface)
        if index == 0 {
            throw RestoreError(
                subject, "needs interface \(interface), which is not there", errno: Errno(rawValue: errno))
        }
        return index
    }
}

/// Options of ip(7) and tcp(7).
struct InetOptionsSetter {
    let fd: Int32
    let image: InetSocketImage

    func set() throws(RestoreError) {
        let ip = image.ip
        try set("IP_FREEBIND", SocketOption.ipLevel, IPOption.freeBind, ip.freeBind)
        try set("IP_PKTINFO", SocketOption.ipLevel, IPOption.packetInfo, ip.packetInfo)
        try set("IP_TOS", SocketOption.ipLevel, IPOption.tos, ip.tos)
        try set("IP_TTL", SocketOption.ipLevel, IPOption.ttl, ip.ttl)
        try set("IP_HDRINCL", SocketOption.ipLevel, IPOption.includeHeader, ip.includesHeader)
        try set("IP_NODEFRAG", SocketOption.ipLevel, IPOption.noDefragment, ip.defragmentsNot)
        if let filter = ip.icmpFilter.first { try set("ICMP_FILTER", SocketOption.rawLevel, 1, filter) }
        guard image.type == 1 else { return }
        let tcp = image.tcp
        let old = image.options
        try set("TCP_NODELAY", SocketOption.tcpLevel, TCPOption.noDelay, tcp?.noDelay)
        try set("TCP_CORK", SocketOption.tcpLevel, TCPOption.cork, tcp?.cork)
        try set("TCP_KEEPIDLE", SocketOption.tcpLevel, TCPOption.keepIdle, tcp?.keepIdle ?? old.keepIdle)
        try set(
            "TCP_KEEPINTVL", SocketOption.tcpLevel, TCPOption.keepInterval,
            tcp?.keepInterval ?? old.keepInterval)
        try set("TCP_KEEPCNT", SocketOption.tcpLevel, TCPOption.keepCount, tcp?.keepCount ?? old.keepCount)
    }

    private func set(_ name: String, _ level: Int32, _ option: Int32, _ value: Bool?) throws(RestoreError) {
        guard let value else { return }
        try set(name, level, option, value ? 1 : 0)
    }

    private func set(_ name: String, _ level: Int32, _ option: Int32, _ value: UInt32?) throws(RestoreError) {
        guard let value else { return }
        try RestoreError.about(image.subject, "its \(name) cannot be set to \(value)") { () throws(Errno) in
            try SocketCalls.set(fd, level, option, value)
        }
    }
}
