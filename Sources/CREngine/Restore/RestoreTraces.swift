import CPlatform
import Glibc

/// The other side of `RestoreKeeper`: what it has been told, and the taking away.
package struct RestoreTraces {
    /// What goes over the socket.
    enum Message: Equatable {
        case note(RestoreKeeper.Trace)
        case forget(RestoreKeeper.Trace)
        /// With the root of the tree's mounts and their namespace.
        case root
        /// With an ipc namespace.
        case ipc
        case done

        var bytes: [UInt8] {
            switch self {
            case .note(let trace): [1] + Self.packed(trace)
            case .forget(let trace): [2] + Self.packed(trace)
            case .root: [3]
            case .ipc: [4]
            case .done: [5]
            }
        }

        init?(_ bytes: [UInt8]) {
            switch (bytes.first, bytes.count) {
            case (1, _):
                guard let trace = Self.trace(bytes.dropFirst()) else { return nil }; self = .note(trace)
            case (2, _):
                guard let trace = Self.trace(bytes.dropFirst()) else { return nil }; self = .forget(trace)
            case (3, 1): self = .root
            case (4, 1): self = .ipc
            case (5, 1): self = .done
            default: return nil
            }
        }

        /// A kind, two numbers, and a path.
        private static func packed(_ trace: RestoreKeeper.Trace) -> [UInt8] {
            func row(_ kind: UInt8, _ a: UInt64 = 0, _ b: UInt64 = 0, _ path: String = "") -> [UInt8] {
                [kind] + SocketMessage.raw(a) + SocketMessage.raw(b) + Array(path.utf8)
            }
            return switch trace {
            case .file(let path, let device, let inode): row(1, device, inode, path)
            case .directory(let path): row(2, 0, 0, path)
            case .group(let path): row(3, 0, 0, path)
            case .pidfile(let path): row(4, 0, 0, path)
            case .object(let kind, let id): row(5, UInt64(id), 0, kind.rawValue)
            }
        }

        private static func trace(_ bytes: ArraySlice<UInt8>) -> RestoreKeeper.Trace? {
            guard bytes.count >= 17, let kind = bytes.first else { return nil }
            func number(_ place: Int) -> UInt64 {
                bytes.dropFirst(place).prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
            let text = String(decoding: bytes.dropFirst(17), as: UTF8.self)
            switch kind {
            case 1: return .file(text, device: number(1), inode: number(9))
            case 2: return .directory(text)
            case 3: return .group(text)
            case 4: return .pidfile(text)
            case 5:
                guard let kind = SystemV.Kind(rawValue: text), let id = UInt32(exactly: number(1)) else {
                    return nil
                }
                return .object(kind, id)
            default: return nil
            }
        }
    }

    private var traces: [RestoreKeeper.Trace] = []
    private var root: Int32?
    private var ipc: Int32?

    /// What the process does; descriptor 3 is the socket. Throws where a group stays, or the tree's mounts or
    /// ipc namespace cannot be entered; what has gone otherwise, or is another's by now, is passed over.
    package static func keep() throws {
        let way = OwnedFD(taking: 3)
        setsid()
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT] { _ = Glibc.signal(signal, SIG_IGN) }
        var found = RestoreTraces()
        while let message = try SocketMessage.receive(way.rawValue, room: 8192) {
            switch Message(message.bytes) {
            case .note(let trace): found.traces.append(trace)
            case .forget(let trace): found.traces.removeAll { $0 == trace }
            // The namespace is held by its descriptor alone.
            case .root: found.root = message.rights.first
            case .ipc: found.ipc = message.rights.first
            case .done, nil: return
            }
        }
        try found.takeAway()
    }

    /// In the opposite order of their making.
    private func takeAway() throws(Errno) {
        let outside = try OwnedFD.open("/", O_PATH | O_DIRECTORY)
        let here = try OwnedFD.open(".", O_PATH | O_DIRECTORY)
        if let root { try Self.enter(root) }
        for trace in traces.reversed() {
            switch trace {
            case .file(let path, let device, let inode):
                if let facts = try? FileFacts.of(path, followingLinks: false), facts.inode == inode,
                    UInt64(facts.device.kernelEncoding) == device
                {
                    _ = unlink(path)
                }
            case .directory(let path): _ = rmdir(path)
            case .group, .pidfile, .object: break
            }
        }
        if root != nil {
            try Self.enter(outside.rawValue)
            try systemCall(CP_SYS_fchdir, Int(here.rawValue))
        }
        if let ipc { try systemCall(CP_SYS_setns, Int(ipc), Int(NamespaceKind.ipc.cloneFlag)) }
        for trace in traces.reversed() {
            switch trace {
            case .pidfile(let path): _ = unlink(path)
            case .object(let kind, let id): try? SystemV.remove(kind, id)
            case .file, .directory, .group: break
            }
        }
        try removeGroups()
    }

    private static func enter(_ root: Int32) throws(Errno) {
        try systemCall(CP_SYS_fchdir, Int(root))
        if chroot(".") != 0 { throw Errno(rawValue: errno) }
    }

    /// The kernel lets nobody remove a group as long as a task is in it that is about to end.
    private func removeGroups() throws(Errno) {
        let deadline = Deadline.after(milliseconds: 60_000)
        for case .group(let path) in traces.reversed() {
            while rmdir(path) != 0 {
                let refusal = Errno(rawValue: errno)
                // Somebody else has put something into it, or it is gone.
                if refusal != .busy { break }
                if deadline.hasPassed { throw refusal }
                usleep(2000)
            }
        }
    }
}
