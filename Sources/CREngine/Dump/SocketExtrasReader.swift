import CPlatform
import Glibc

/// Finds what a socket has beyond CRIU's fields, by comparing it with a new one of the same kind.
struct SocketExtrasReader {
    private struct Key: Hashable {
        var family: UInt32
        var type: UInt32
        var proto: UInt32
    }
    /// What new sockets have, row by row; nil where the kernel refused.
    private var defaults: [Key: [[UInt8]?]] = [:]
    private var groups: [MulticastGroups.Group]?

    init() {}

    mutating func read(
        _ fd: Int32, family: UInt32, type: UInt32, proto: UInt32, isConnected: Bool
    ) throws(Errno) -> SocketExtras {
        var extras = SocketExtras()
        var status = stat()
        guard fstat(fd, &status) == 0 else { throw Errno(rawValue: errno) }
        extras.uid = status.st_uid
        extras.gid = status.st_gid
        let usual = try usual(Key(family: family, type: type, proto: proto))
        var options: [SocketExtras.Option] = []
        for (row, usual) in zip(SocketOptionTable.rows, usual) {
            guard let usual, let value = try? SocketCalls.option(fd, row.level, row.name, size: row.size),
                value != usual, !(row.changesWhenConnected && isConnected),
                !(row.isForDatagrams && type == 1)
            else { continue }
            options.append(.init(level: row.level, name: row.name, value: value))
        }
        // Only where it is set: a socket whose filter is locked would refuse its own.
        let isLocked = try SocketCalls.number(fd, SocketOption.socketLevel, SocketOption.lockFilter) != 0
        if isLocked {
            options.append(
                .init(
                    level: SocketOption.socketLevel, name: SocketOption.lockFilter,
                    value: SocketCalls.bytes(of: 1)))
        }
        if !options.isEmpty { extras.options = options }
        if family == UInt32(AF_INET) || family == UInt32(AF_INET6), type != 1 {
            let joined = try memberships(fd, family)
            if !joined.isEmpty { extras.memberships = joined }
        }
        return extras
    }

    private mutating func usual(_ key: Key) throws(Errno) -> [[UInt8]?] {
        if let known = defaults[key] { return known }
        let fresh = try SocketCalls.make(key.family, key.type, key.proto)
        let values = SocketOptionTable.rows.map { row in
            try? SocketCalls.option(fresh.rawValue, row.level, row.name, size: row.size)
        }
        defaults[key] = values
        return values
    }

    private mutating func memberships(
        _ fd: Int32, _ family: UInt32
    ) throws(Errno) -> [SocketExtras.Membership] {
        let all: [MulticastGroups.Group]
        if let groups { all = groups } else { all = try MulticastGroups.ofHost() }
        groups = all
        var joined: [SocketExtras.Membership] = []
        for group in all where group.address.count == 4 || family == UInt32(AF_INET6) {
            if let membership = try MulticastGroups.membership(fd, group) { joined.append(membership) }
        }
        return joined
    }
}
