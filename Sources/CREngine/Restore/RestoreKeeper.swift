import CPlatform
import Glibc

/// Takes away what a restore has made outside of its tasks, should the restore be killed: a process beside it.
///
/// It is told of each thing. The end of the socket that tells it, without a word before that all is well, is the end of whoever
/// restores; tasks that were not let go end with that, and may be in their groups for a moment yet. See decision 101.
package final class RestoreKeeper {
    /// What is made.
    enum Trace: Equatable {
        /// A file, by its path and its number in its file system; in the tree's mounts once it has its own.
        case file(String, device: UInt64, inode: UInt64)
        /// The same of a directory, which goes only where it is empty.
        case directory(String)
        /// A control group, or a file, that is always where we are.
        case group(String)
        case pidfile(String)
        case object(SystemV.Kind, UInt32)
    }

    private var keeper: PID?
    private var way: OwnedFD?

    init() {}

    deinit { finish() }

    /// Tells of a thing that is there now. The process is started with the first.
    func note(_ trace: Trace) throws(RestoreError) {
        try tell(RestoreTraces.Message.note(trace).bytes)
    }

    /// Starts the process, so that the first thing is told at once.
    func prepare() throws(RestoreError) {
        try RestoreError.about("process that cleans up after us", "cannot be started") { () throws(Errno) in
            try start()
        }
    }

    /// A file that is there now, by a path that others may take, too. Returns what `forget` takes once it is gone.
    @discardableResult
    func noteFile(_ path: String) throws(RestoreError) -> Trace {
        let trace = try Self.file(path)
        try note(trace)
        return trace
    }

    private static func file(_ path: String) throws(RestoreError) -> Trace {
        let facts = try RestoreError.about(path, "cannot be looked at") { () throws(Errno) in
            try FileFacts.of(path, followingLinks: false)
        }
        return .file(path, device: UInt64(facts.device.kernelEncoding), inode: facts.inode)
    }

    /// A thing is not there any more.
    func forget(_ trace: Trace) throws(RestoreError) {
        if way == nil { return }
        try tell(RestoreTraces.Message.forget(trace).bytes)
    }

    /// From here on paths of files are those of the tree's mounts, which a member stands in.
    func enterMounts(of member: PID) throws(RestoreError) {
        try RestoreError.about("process \(member)", "its mounts cannot be told to who would clean up") {
            () throws(Errno) -> Void in
            let root = try OwnedFD.open("/proc/\(member)/root", O_PATH | O_DIRECTORY)
            // Without a member its mounts would come apart.
            let namespace = try OwnedFD.open("/proc/\(member)/ns/mnt", O_RDONLY)
            try start()
            var message = SocketMessage(bytes: RestoreTraces.Message.root.bytes)
            message.rights = [root.rawValue, namespace.rawValue]
            try send(message)
        }
    }

    /// From here on objects of System V IPC are those of a namespace that we have a descriptor of.
    func enterIPC(_ descriptor: Int32) throws(RestoreError) {
        try RestoreError.about("ipc namespace", "cannot be told to who would clean up") {
            () throws(Errno) -> Void in
            try start()
            var message = SocketMessage(bytes: RestoreTraces.Message.ipc.bytes)
            message.rights = [descriptor]
            try send(message)
        }
    }

    /// All that is there is the tree's from here on, or was taken away.
    func yield() {
        guard let way = way.take() else { return }
        let message = SocketMessage(bytes: RestoreTraces.Message.done.bytes)
        // One that has ended takes nothing away.
        try? message.send(through: way.rawValue)
        _ = consume way
    }

    /// The same, and waits for the end of the process.
    func finish() {
        yield()
        guard let keeper else { return }
        var status: Int32 = 0
        while waitpid(keeper.rawValue, &status, 0) < 0 && errno == EINTR {}
        self.keeper = nil
    }

    private func tell(_ bytes: [UInt8]) throws(RestoreError) {
        try RestoreError.about("process that cleans up after us", "cannot be told what is made") {
            () throws(Errno) -> Void in
            try start()
            try send(SocketMessage(bytes: bytes))
        }
    }

    private func send(_ message: SocketMessage) throws(Errno) {
        guard let number = way?.rawValue else { throw .badDescriptor }
        try message.send(through: number)
    }

    private func start() throws(Errno) {
        if way != nil { return }
        var ends: (Int32, Int32) = (0, 0)
        let kind = Int(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        try withUnsafeMutablePointer(to: &ends) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_socketpair, Int(AF_UNIX), kind, 0, Int(bitPattern: pointer))
        }
        let ours = OwnedFD(taking: ends.0)
        let theirs = OwnedFD(taking: ends.1)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // First out of the way: dup2 onto itself would keep close-on-exec.
        posix_spawn_file_actions_adddup2(&actions, theirs.rawValue, 100)
        posix_spawn_file_actions_adddup2(&actions, 100, 3)
        posix_spawn_file_actions_addclosefrom_np(&actions, 4)
        // What a test tells us to do is not for it.
        let environment = FreshProcess.environment.filter { !$0.hasPrefix("CRPLAN_") }
        keeper = try FreshProcess.start(
            "/proc/self/exe", ["crplan", "internal", "keep-traces"], &actions, environment: environment)
        way = consume ours
    }
}
