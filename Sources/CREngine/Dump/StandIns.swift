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

/// Processes of ours that have the ids of threads of the tree, one for each pair of ids. They end with this value.
final class StandIns {
    private struct Owner: Hashable {
        var user: UInt32
        var group: UInt32
    }
    private var made: [Owner: PID?] = [:]

    deinit {
        for case let pid? in made.values {
            _ = kill(pid.rawValue, SIGKILL)
            let wall: Int32 = 0x4000_0000
            while waitpid(pid.rawValue, nil, wall) < 0 && errno == EINTR { continue }
        }
    }

    /// A process for each thread that has the thread's real ids. None for one that has ids which we cannot have.
    func strangers(_ task: TaskFacts) -> [TID: PID] {
        var found: [TID: PID] = [:]
        for thread in task.threads {
            let owner = Owner(user: thread.status.users.real, group: thread.status.groups.real)
            if made[owner] == nil {
                let pid = cp_stand_in_start(owner.user, owner.group)
                made[owner] = .some(pid > 0 ? PID(pid) : nil)
            }
            if case .some(.some(let pid)) = made[owner] { found[thread.tid] = pid }
        }
        return found
    }
}
