import CPlatform
import Glibc

/// Makes the unix sockets of a tree. See unix(7).
struct UnixSocketBuilder {
    let tasks: TaskFiles

    func build() throws(RestoreError) {
        let sockets = tasks.tree.files.compactMap { file -> (id: UInt32, socket: UnixSocketImage)? in
            if case .unixSocket(let socket) = file.content { (file.id, socket) } else { nil }
        }
        let ids = Dictionary(
            sockets.map { ($0.socket.inode, $0.id) }, uniquingKeysWith: { first, _ in first })
        var done: Set<UInt32> = []
        for (id, socket) in sockets where !done.contains(id) {
            guard socket.peer != 0, let peer = ids[socket.peer] else { continue }
            done.insert(peer)
            try makePair(id, peer, socket)
        }
    }

    private func makePair(_ id: UInt32, _ peer: UInt32, _ socket: UnixSocketImage) throws(RestoreError) {
        let thread = tasks.maker(of: id).leader
        let address = try thread.put((Int32(0), Int32(0)))
        try thread.call("socketpair", CP_SYS_socketpair, Int(AF_UNIX), Int(socket.type), 0, address)
        let pair = try thread.scratchValue(as: (Int32, Int32).self)
        tasks.files.adopt(id, try tasks.take(Int(pair.0), from: thread))
        tasks.files.adopt(peer, try tasks.take(Int(pair.1), from: thread))
    }
}
