import CPlatform
import Glibc
import Synchronization

/// Work inside another network namespace.
///
/// setns(2) moves one thread, so a thread is made for it and ends with it: sockets that it makes, programs that it
/// starts, and /proc/sys/net and /proc/thread-self/net as it reads them, are the namespace's. All else is shared with us.
enum NetworkNamespace {
    private static let newNetwork = 0x4000_0000

    /// Runs `body` on a thread that has entered the namespace of a descriptor, and waits for it.
    static func visit<Value: Sendable>(
        _ namespace: Int32, _ body: @escaping @Sendable () throws(NetworkError) -> Value
    ) throws(NetworkError) -> Value {
        try onThread { () throws(NetworkError) -> Value in
            try NetworkError.about("network namespace", "cannot be entered") { () throws(Errno) -> Void in
                try systemCall(CP_SYS_setns, Int(namespace), newNetwork)
            }
            return try body()
        }
    }

    /// A new one, empty, and not reachable but by this descriptor.
    static func make() throws(NetworkError) -> OwnedFD {
        let fd = try onThread { () throws(NetworkError) -> Int32 in
            try NetworkError.about("network namespace", "cannot be made") { () throws(Errno) -> Int32 in
                try systemCall(CP_SYS_unshare, newNetwork)
                return try OwnedFD.open("/proc/thread-self/ns/net", O_RDONLY).release()
            }
        }
        return OwnedFD(taking: fd)
    }

    /// The one that this thread is in.
    static func own() throws(NetworkError) -> OwnedFD {
        try NetworkError.about("our own network namespace", "cannot be opened") {
            () throws(Errno) -> OwnedFD in
            try OwnedFD.open("/proc/thread-self/ns/net", O_RDONLY)
        }
    }

    /// That of a process.
    static func of(_ pid: PID) throws(NetworkError) -> OwnedFD {
        try NetworkError.about("network namespace of process \(pid)", "cannot be opened") {
            () throws(Errno) -> OwnedFD in
            try OwnedFD.open("/proc/\(pid)/ns/net", O_RDONLY)
        }
    }

    /// Its number, as links of /proc/PID/ns have it.
    static func inode(_ namespace: Int32) throws(NetworkError) -> UInt64 {
        var status = stat()
        guard fstat(namespace, &status) == 0 else {
            throw NetworkError("network namespace", "has no number", errno: Errno(rawValue: errno))
        }
        return UInt64(status.st_ino)
    }

    /// A process that is in the namespace of a number: `first`, or else any other; nil for none.
    static func member(of inode: UInt64, first: PID? = nil) -> PID? {
        func isMember(_ pid: PID) -> Bool {
            var status = stat()
            return stat("/proc/\(pid)/ns/net", &status) == 0 && UInt64(status.st_ino) == inode
        }
        if let first, isMember(first) { return first }
        let all = (try? ProcDirectory.open("/proc").numbers(".")) ?? []
        return all.lazy.map { PID($0) }.first(where: isMember)
    }

    private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(NetworkError) -> Value
    ) throws(NetworkError) -> Value {
        let work = Work(body)
        var thread = pthread_t()
        let argument = Unmanaged<AnyWork>.passRetained(work)
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<AnyWork>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument.toOpaque())
        guard result == 0 else {
            argument.release()
            throw NetworkError("network namespace", "no thread to enter it", errno: Errno(rawValue: result))
        }
        pthread_join(thread, nil)
        return try work.take()
    }
}

/// What the start of the thread is handed.
private class AnyWork {
    func run() {}
}

private final class Work<Value: Sendable>: AnyWork {
    private let body: @Sendable () throws(NetworkError) -> Value
    private let result = Mutex<Result<Value, NetworkError>?>(nil)

    init(_ body: @escaping @Sendable () throws(NetworkError) -> Value) { self.body = body }

    override func run() {
        do throws(NetworkError) {
            let value = try body()
            result.withLock { $0 = .success(value) }
        } catch {
            result.withLock { $0 = .failure(error) }
        }
    }

    func take() throws(NetworkError) -> Value {
        guard let result = result.withLock({ $0 }) else {
            throw NetworkError("network namespace", "the thread that entered it ended early")
        }
        return try result.get()
    }
}
