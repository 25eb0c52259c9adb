import CPlatform
import Glibc

/// A POSIX message queue of the tree's own ipc namespace, whoever has it open. See mq_overview(7).
package struct PosixQueueFacts: Equatable, Sendable {
    package var inode: UInt64
    /// Without its slash.
    package var name: String
    /// Whether the name still leads to it.
    package var isLinked: Bool
    package var uid: UInt32
    package var gid: UInt32
    /// Full st_mode.
    package var mode: UInt32
    /// What it holds; nil where the kernel does not tell.
    package var note: PosixQueueNote?
}

/// Looks at the POSIX message queues of the ipc namespace that the calling thread is in.
struct PosixQueueScan {
    private let notes: KernelNotes
    private(set) var queues: [PosixQueueFacts] = []
    /// Of their file system; nil for a kernel without queues.
    private(set) var device: DeviceNumber?

    init(_ notes: KernelNotes) throws(Errno) {
        self.notes = notes
        guard let mount = try Self.mounted() else { return }
        device = try FileFacts.of("/proc/self/fd/\(mount.rawValue)", followingLinks: true).device
        for name in try Self.names(in: mount) {
            do throws(Errno) {
                queues.append(try Self.queue(name, in: mount, notes))
            } catch {
                // It went during the look.
                if error != .noEntry { throw error }
            }
        }
    }

    /// Whether there are any that have a name.
    static func findsAny() throws(Errno) -> Bool {
        guard let mount = try mounted() else { return false }
        return try !names(in: mount).isEmpty
    }

    /// Adds those that have lost their names, by the descriptors of the tree.
    mutating func addUnlinked(of snapshot: Snapshot) {
        for file in snapshot.openFiles {
            guard let facts = file.facts, facts.device == device, facts.type == .regular, facts.links == 0,
                !file.isPathOnly, !queues.contains(where: { $0.inode == facts.inode })
            else { continue }
            let name = file.link.split(separator: "/").last.map(String.init) ?? ""
            var queue = PosixQueueFacts(name, facts)
            queue.note = notes.posixQueue(of: file.pid, file.fd)
            queues.append(queue)
        }
    }

    /// Queues are the files of a file system, which need not be mounted anywhere; so it is here, for the moment of a look.
    /// Nil for a kernel without CONFIG_POSIX_MQUEUE.
    private static func mounted() throws(Errno) -> OwnedFD? {
        do throws(Errno) {
            return try NamelessMount.make("mqueue")
        } catch {
            if error == Errno(rawValue: ENODEV) { return nil }
            throw error
        }
    }

    /// Only a place is opened, of which the kernel tells nobody.
    private static func queue(
        _ name: [UInt8], in mount: borrowing OwnedFD, _ notes: KernelNotes
    ) throws(Errno) -> PosixQueueFacts {
        let directory = Int(mount.rawValue)
        let file = OwnedFD(
            taking: Int32(
                try (name + [0]).withUnsafeBufferPointer { (name) throws(Errno) -> Int in
                    try systemCall(
                        CP_SYS_openat, directory, Int(bitPattern: name.baseAddress),
                        Int(O_PATH | O_NOFOLLOW | O_CLOEXEC))
                }))
        let facts = try FileFacts.of("/proc/self/fd/\(file.rawValue)", followingLinks: true)
        var queue = PosixQueueFacts(String(decoding: name, as: UTF8.self), facts)
        // Images have names as text.
        if Array(queue.name.utf8) == name {
            queue.note = notes.posixQueue(of: PID(getpid()), file.rawValue)
        }
        return queue
    }

    private static func names(in mount: borrowing OwnedFD) throws(Errno) -> [[UInt8]] {
        let fd = try OwnedFD.openat(mount.rawValue, ".", O_RDONLY | O_DIRECTORY).release()
        guard let stream = fdopendir(fd) else {
            let error = Errno(rawValue: errno)
            _ = close(fd)
            throw error
        }
        defer { closedir(stream) }
        var found: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in Array(raw.prefix { $0 != 0 }) }
            if name != [0x2e] && name != [0x2e, 0x2e] { found.append(name) }
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }
}

extension PosixQueueFacts {
    fileprivate init(_ name: String, _ facts: FileFacts) {
        self.init(
            inode: facts.inode, name: name, isLinked: facts.links > 0, uid: facts.uid, gid: facts.gid,
            mode: facts.mode)
    }
}
