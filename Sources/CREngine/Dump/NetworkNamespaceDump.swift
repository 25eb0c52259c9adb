import PolicyModel

/// The network namespace of a frozen tree: its image, and the lock of all of it while its sockets are read.
///
/// The lock goes with this value, or with this process, unless it was made to stay.
final class NetworkNamespaceDump {
    /// Of whom the namespace is.
    let root: PID
    /// Its number in the images.
    let number: UInt32
    /// Its number in the kernel.
    let inode: UInt64
    let image: NetworkNamespaceImage
    private var lock: NamespaceLock?

    /// Nil where the tree has none of its own.
    static func take(
        _ snapshot: Snapshot, _ options: DumpOptions, runID: String
    ) throws(DumpError) -> NetworkNamespaceDump? {
        guard snapshot.ownNamespaceKinds.contains(.net), let root = snapshot.task(snapshot.root) else {
            return nil
        }
        // The root is the first that gets its numbers.
        var numbers = KernelObjectNumbers(snapshot)
        let number = numbers.ids(of: root).netNS ?? 0
        do throws(NetworkError) {
            let namespace = try NetworkNamespace.of(root.pid)
            var reader = NetworkReader(namespace: number)
            reader.handedIn = NetworkOutside.handedIn(by: options.allow.external)
            // Before the lock, which is none of its rules.
            var image = NetworkNamespaceImage()
            image.externalKey = snapshot.label(of: .net, options.allow)
            if image.externalKey == nil, !options.emptiesNetwork {
                image = try reader.read(namespace.rawValue)
            }
            var lock: NamespaceLock?
            if options.networkLock != .skip, isReachable(snapshot) {
                let table = ConnectionLock.tableName(runID: runID)
                lock = try NamespaceLock.take(namespace.rawValue, table: table)
            }
            return NetworkNamespaceDump(
                root: root.pid, number: number, inode: root.namespaces.net, image: image, lock: lock)
        } catch {
            throw .environment("process \(root.pid): \(error)")
        }
    }

    private init(
        root: PID, number: UInt32, inode: UInt64, image: NetworkNamespaceImage, lock: NamespaceLock?
    ) {
        self.inode = inode
        self.root = root
        self.number = number
        self.image = image
        self.lock = lock
    }

    /// Whether packets could change what is read.
    private static func isReachable(_ snapshot: Snapshot) -> Bool {
        let families: [SocketFacts.Family] = [.tcp, .udp, .raw, .ping]
        return snapshot.sockets.values.contains { families.contains($0.family) }
    }

    var isLocked: Bool { lock != nil }

    func persistLock() throws(DumpError) {
        do throws(NetworkError) { try lock?.persist() } catch { throw .environment("\(error)") }
    }

    func release() throws(DumpError) {
        do throws(NetworkError) { try lock?.release() } catch { throw .environment("\(error)") }
        lock = nil
    }
}
