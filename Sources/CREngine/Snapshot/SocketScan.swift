import CPlatform
import Glibc

/// Facts of the sockets among the open files.
enum SocketScan {
    /// By inode. What sock_diag(7) does not list is named by its own protocol name.
    ///
    /// It lists those of the namespace that it is asked in: that of the tree's root. Without privileges to enter that
    /// one, all of them have their names only.
    static func facts(of files: [OpenFile], in snapshot: Snapshot) -> [UInt64: SocketFacts] {
        let sockets = files.filter { $0.link.hasPrefix("socket:") }
        if sockets.isEmpty { return [:] }
        let wanted = Set(sockets.map(\.inode))
        var found = listed(wanted, in: snapshot)
        for file in sockets {
            let name = protocolName(file.pid, file.fd)
            if found[file.inode] != nil {
                if !name.isEmpty { found[file.inode]?.protocolName = name }
                continue
            }
            found[file.inode] = SocketFacts(inode: file.inode, family: family(name), protocolName: name)
        }
        return found
    }

    private static func listed(_ wanted: Set<UInt64>, in snapshot: Snapshot) -> [UInt64: SocketFacts] {
        func settled() -> [UInt64: SocketFacts] {
            var found = listed(wanted)
            awaitDatagrams(&found)
            return found
        }
        guard snapshot.ownNamespaceKinds.contains(.net) else { return settled() }
        do throws(NamespaceVisit.Failure) {
            return try NamespaceVisit.run(.net, of: snapshot.root, refusal: { $0 }) {
                () throws(NamespaceVisit.Failure) in settled()
            }
        } catch {
            return [:]
        }
    }

    private static func listed(_ wanted: Set<UInt64>) -> [UInt64: SocketFacts] {
        var found: [UInt64: SocketFacts] = [:]
        // A kernel without one of the modules lists nothing of that family; the names remain.
        let unix = (try? SockDiag.unixSockets()) ?? []
        let names = Dictionary(unix.map { ($0.inode, $0.local) }) { first, _ in first }
        for socket in unix where wanted.contains(socket.inode) {
            var socket = socket
            socket.peerName = names[socket.peerInode] ?? ""
            found[socket.inode] = socket
        }
        var others: [SocketFacts] = []
        for family in [SocketFacts.Family.tcp, .udp, .raw] {
            others += (try? SockDiag.internetSockets(family)) ?? []
        }
        others += (try? SockDiag.packetSockets()) ?? []
        others += (try? SockDiag.netlinkSockets()) ?? []
        for socket in others where wanted.contains(socket.inode) { found[socket.inode] = socket }
        return found
    }

    /// A datagram that goes out is gone in a moment; one that stays is held back.
    private static func awaitDatagrams(_ found: inout [UInt64: SocketFacts]) {
        func isBusy(_ socket: SocketFacts) -> Bool { socket.family == .udp && socket.unsent > 0 }
        for _ in 0..<20 {
            if !found.values.contains(where: isBusy) { return }
            usleep(2000)
            for socket in (try? SockDiag.internetSockets(.udp)) ?? [] {
                found[socket.inode]?.unsent = socket.unsent
            }
        }
    }

    private static func family(_ name: String) -> SocketFacts.Family {
        if name.hasPrefix("UNIX") { return .unix }
        if name.hasPrefix("TCP") { return .tcp }
        if name.hasPrefix("UDP") { return .udp }
        if name.hasPrefix("RAW") { return .raw }
        if name.hasPrefix("PING") { return .ping }
        return name == "PACKET" ? .packet : name == "NETLINK" ? .netlink : .other
    }

    /// The attribute `system.sockprotoname`, net/socket.c; empty where there is none.
    private static func protocolName(_ pid: PID, _ fd: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = "/proc/\(pid)/fd/\(fd)".withCString { path in
            "system.sockprotoname".withCString { name in
                buffer.withUnsafeMutableBytes { buffer in
                    try? systemCall(
                        CP_SYS_getxattr, Int(bitPattern: path), Int(bitPattern: name),
                        Int(bitPattern: buffer.baseAddress), buffer.count)
                }
            }
        }
        return count == nil ? "" : String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
    }
}
