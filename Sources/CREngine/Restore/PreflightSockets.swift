import CPlatform
import Glibc

/// Whether the names of unix sockets are free, and whether the servers outside the tree are there.
struct PreflightSockets {
    let tree: TreeImage
    let options: RestoreOptions
    /// Not while the tree's paths are not there yet, for want of its mount namespace.
    var checksPaths = true

    func problems() -> [RestoreError] {
        let plan: UnixSocketPlan
        do throws(RestoreError) {
            let given = GivenFiles(tree: tree, inherited: options.inherited).ids
            plan = try UnixSocketPlan(tree, except: given)
        } catch {
            return [error]
        }
        if plan.rows.isEmpty { return [] }
        // Without sock_diag(7) there is nothing to be known beforehand; binding will tell.
        let present = (try? SockDiag.unixSockets()) ?? []
        return plan.rows.flatMap { row -> [RestoreError] in
            var found: [RestoreError] = []
            if row.isBound { found += name(row, present) }
            if case .outside(let end) = row.connection { found += server(end, of: row, present) }
            return found
        }
    }

    private func name(_ row: UnixSocketPlan.Row, _ present: [SocketFacts]) -> [RestoreError] {
        guard let bytes = row.socket.path else {
            // Abstract names are those of a network namespace, and what is listed is ours.
            if tree.ownNamespaceKinds.contains(.net) || options.joined[.net] != nil { return [] }
            let isTaken = present.contains { $0.local == row.socket.title && $0.type == row.socket.type }
            guard isTaken else { return [] }
            return [
                RestoreError(row.socket.title, "is the name of another socket now", remedy: "end its owner")
            ]
        }
        if row.socket.isDeleted == true || !checksPaths { return [] }
        let text = String(decoding: bytes, as: UTF8.self)
        if !text.hasPrefix("/") && row.socket.directory == nil {
            return [RestoreError(text, "is the relative name of a socket, and the image lacks its directory")]
        }
        let path = text.hasPrefix("/") ? text : "\(row.socket.directory ?? "")/\(text)"
        do throws(Errno) {
            let there = try FileFacts.of(path, followingLinks: false)
            if there.type != .socket {
                return [
                    RestoreError(
                        path, "is where a socket was bound, and is another kind of file now",
                        remedy: "move it away")
                ]
            }
            let isInUse = present.contains { socket in
                socket.inode != 0 && socket.unix?.boundFile?.names(there) ?? false
            }
            return isInUse
                ? [RestoreError(path, "is the socket of another server now", remedy: "end it")] : []
        } catch {
            if error != .noEntry {
                return [RestoreError(path, "a socket cannot be bound there", errno: error)]
            }
        }
        let directory = String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex))
        if access(directory.isEmpty ? "/" : directory, W_OK | X_OK) == 0 { return [] }
        return [RestoreError(path, "a socket cannot be bound there", errno: Errno(rawValue: errno))]
    }

    /// A server that is to be connected to again.
    private func server(
        _ end: UnixSocketImage, of row: UnixSocketPlan.Row, _ present: [SocketFacts]
    ) -> [RestoreError] {
        let isStream = row.socket.type != UnixSocketPlan.datagram
        if isStream && !options.reconnectsUnixSockets {
            return [
                RestoreError(
                    end.title,
                    "is a server outside the tree that a \(UnixSocket.typeName(row.socket.type)) "
                        + "socket was connected to", remedy: "give --ext-unix-sk to connect again")
            ]
        }
        let remedy = "start it, or dump with on-restore: close"
        if end.name.isEmpty {
            return [
                RestoreError(
                    "socket:[\(row.socket.inode)]", "had an outside end without a name and was not given",
                    remedy: "restore with --inherit-fd fd[N]:socket:[\(row.socket.inode)]")
            ]
        }
        let candidates = present.filter { $0.type == row.socket.type && (!isStream || $0.state == .listen) }
        guard let bytes = end.path else {
            return candidates.contains { $0.local == end.title }
                ? [] : [RestoreError(end.title, "no server has this name", remedy: remedy)]
        }
        if !checksPaths { return [] }
        let path = String(decoding: bytes, as: UTF8.self)
        do throws(Errno) {
            let there = try FileFacts.of(path, followingLinks: true)
            let isServed = candidates.contains { socket in
                socket.unix?.boundFile?.names(there) ?? false
            }
            return isServed ? [] : [RestoreError(path, "no server listens there", remedy: remedy)]
        } catch {
            return [RestoreError(path, "the server's socket cannot be found", errno: error, remedy: remedy)]
        }
    }
}
