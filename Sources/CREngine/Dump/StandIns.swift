import CPlatform
import Glibc

/// Whether a thread has put itself into a Landlock sandbox. The kernel shows that nowhere, and a restored task would be
/// free of it. See landlock(7).
enum Landlock {
    /// False where the kernel has none, or has it switched off.
    static var isThere: Bool {
        let askVersion = 1
        return ((try? systemCall(CP_SYS_landlock_create_ruleset, 0, 0, askVersion)) ?? 0) > 0
    }

    /// Lets the thread look at a process outside of its domain, which has the thread's ids and no capability: to a thread
    /// without a domain that is allowed (security/landlock/ptrace.c; "Ptrace access mode checking" in ptrace(2)).
    static func confines(_ session: inout RemoteSession, _ stranger: PID) throws(TraceError) -> Bool {
        let id = UInt64(stranger.rawValue)
        let sameMemory = UInt64(Kcmp.Kind.memory.rawValue)
        if case .failure(.perm) = try session.call(CP_SYS_kcmp, id, id, sameMemory) { return true }
        return false
    }
}

/// Processes of ours that have the ids of threads of the tree, one for each pair of ids, in the tree's own user and pid
/// namespaces: the threads could not look into others. They end with this value.
final class StandIns {
    private struct Owner: Hashable {
        var user: UInt32
        var group: UInt32
    }
    private struct StandIn {
        /// For us.
        var pid: PID
        /// For the tree.
        var inside: PID
    }
    private var made: [Owner: StandIn?] = [:]
    private let facts: UserNamespaceFacts?
    /// Descriptors of namespaces, -1 for ours.
    private let user: Int32
    private let pids: Int32

    init(_ snapshot: Snapshot) throws(DumpError) {
        facts = snapshot.userNamespace
        user = try Self.namespace(.user, of: snapshot)
        pids = try Self.namespace(.pid, of: snapshot)
    }

    private static func namespace(_ kind: NamespaceKind, of snapshot: Snapshot) throws(DumpError) -> Int32 {
        guard snapshot.ownNamespaceKinds.contains(kind) else { return -1 }
        do throws(Errno) {
            return try OwnedFD.open("/proc/\(snapshot.root)/ns/\(kind.rawValue)", O_RDONLY).release()
        } catch {
            throw .task(snapshot.root, "its \(kind.name) namespace cannot be opened", error)
        }
    }

    deinit {
        end()
        for namespace in [user, pids] where namespace >= 0 { _ = close(namespace) }
    }

    /// Ends them: the init of a pid namespace ends when everybody else in it was waited for.
    func end() {
        for case let standIn? in made.values {
            let pid = standIn.pid.rawValue
            _ = kill(pid, SIGKILL)
            let wall: Int32 = 0x4000_0000
            while waitpid(pid, nil, wall) < 0 && errno == EINTR { continue }
        }
        made = [:]
    }

    /// A process for each thread that has the thread's real ids, by its number in the tree's pid namespace. None for one that has ids which we cannot have.
    func strangers(_ task: TaskFacts) -> [TID: PID] {
        var found: [TID: PID] = [:]
        for thread in task.threads {
            let owner = Owner(user: thread.status.users.real, group: thread.status.groups.real)
            if made[owner] == nil { made[owner] = .some(start(owner)) }
            if case .some(.some(let standIn)) = made[owner] { found[thread.tid] = standIn.inside }
        }
        return found
    }

    private func start(_ owner: Owner) -> StandIn? {
        var (user, group) = (owner.user, owner.group)
        if let facts {
            guard let userInside = facts.users.inside(user), let groupInside = facts.groups.inside(group)
            else {
                return nil
            }
            (user, group) = (userInside, groupInside)
        }
        let pid = cp_stand_in_start(user, group, self.user, pids)
        if pid <= 0 { return nil }
        let status = try? ProcDirectory.open("/proc/\(pid)").readRecord("status")
        let numbers = status.flatMap { try? TaskStatus(parsing: $0) }?.namespaceIDs ?? []
        return StandIn(pid: PID(pid), inside: PID(numbers.last ?? pid))
    }
}
