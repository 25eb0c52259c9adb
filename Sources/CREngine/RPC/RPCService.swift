import CPlatform
import Glibc

/// A SEQPACKET socket in the file system whose clients are served by a process each.
package struct RPCService: ~Copyable {
    private let listener: OwnedFD
    private let path: String

    /// Listens, in the place of whoever listened there before. Only our user can connect: who can, can dump and restore.
    package init(_ path: String) throws(Errno) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else { throw Errno(rawValue: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let socket = OwnedFD(
            taking: Int32(
                try systemCall(
                    CP_SYS_socket, Int(AF_UNIX), Int(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)))
        if unlink(path) != 0, errno != ENOENT { throw Errno(rawValue: errno) }
        let mask = umask(0o177)
        defer { umask(mask) }
        try withUnsafePointer(to: &address) { (pointer) throws(Errno) -> Void in
            try systemCall(
                CP_SYS_bind, Int(socket.rawValue), Int(bitPattern: pointer), MemoryLayout<sockaddr_un>.size)
        }
        try systemCall(CP_SYS_listen, Int(socket.rawValue), 16)
        listener = socket
        self.path = path
    }

    deinit { _ = unlink(path) }

    /// Starts this program with these words for each client, which it gets as descriptor 3. Ends by a signal alone.
    package func serve(_ words: [String]) throws(Errno) {
        // Whoever ends is reaped by the kernel.
        signal(SIGCHLD, SIG_IGN)
        while true {
            let client: OwnedFD
            do throws(Errno) {
                client = OwnedFD(
                    taking: Int32(try systemCall(CP_SYS_accept4, Int(listener.rawValue), 0, 0, 0o2000000)))
            } catch {
                if error.rawValue == ECONNABORTED { continue }
                throw error
            }
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            // By way of another number: a copy onto itself would keep close-on-exec.
            posix_spawn_file_actions_adddup2(&actions, client.rawValue, 100)
            posix_spawn_file_actions_adddup2(&actions, 100, 3)
            posix_spawn_file_actions_addclosefrom_np(&actions, 4)
            _ = try FreshProcess.start("/proc/self/exe", words, &actions)
        }
    }
}
