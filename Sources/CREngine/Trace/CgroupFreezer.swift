import CPlatform
import Glibc

/// A group whose tasks stand still while they are seized: CRIU's --freeze-cgroup. See cgroups(7).
///
/// A frozen task makes no call for us, and one of v1 does not even stop for a tracer. So the group is thawed again as soon as
/// each of its threads is seized and asked to stop, which it then does before anything else.
struct CgroupFreezer {
    /// `cgroup.freeze` or `freezer.state`.
    private let file: String
    private let isUnified: Bool
    private let directory: String
    /// What is written to freeze, and to thaw.
    private var frozen: String { isUnified ? "1" : "FROZEN" }
    private var thawed: String { isUnified ? "0" : "THAWED" }

    init(_ directory: String) throws(DumpError) {
        self.directory = directory
        isUnified = access(directory + "/cgroup.freeze", F_OK) == 0
        file = directory + (isUnified ? "/cgroup.freeze" : "/freezer.state")
        if access(file, F_OK) != 0 {
            throw .environment(
                "\(directory) has neither cgroup.freeze nor freezer.state; --freeze-cgroup takes the directory of a group"
            )
        }
    }

    /// Whether it was frozen by somebody else; the tree is then left so.
    func isFrozen() throws(DumpError) -> Bool { try read(file) != thawed }

    /// What puts the group into its own state should we die.
    func note(wasFrozen: Bool) -> UndoNote {
        .frozenGroup(file: file, state: wasFrozen ? frozen : thawed)
    }

    /// Waits until every task of the group stands still.
    ///
    /// v1 asks each task once, and one that has just been born or let go by its child can miss it: it is asked again, and now
    /// and then everybody is let run first.
    func freeze(_ deadline: Deadline) throws(DumpError) {
        try write(frozen)
        var looks = 0
        while try
            !(isUnified ? read(directory + "/cgroup.events").contains("frozen 1") : read(file) == frozen)
        {
            if deadline.hasPassed {
                throw .environment("\(directory) was not frozen in time; a task in it does not stop")
            }
            usleep(1000)
            looks += 1
            if looks % 20 != 0 { continue }
            if looks % 400 == 0 {
                try write(thawed)
                usleep(1000)
            }
            try write(frozen)
        }
    }

    func thaw() throws(DumpError) { try write(thawed) }

    /// Freezes it again, for a tree that was found frozen and is to be left so.
    func freezeAgain() throws(DumpError) { try write(frozen) }

    /// Seizes each thread below `root` that is in the group, and asks it to stop; none of it runs any code until then.
    /// Returns those that are ours now.
    ///
    /// A vfork(2) child is left to the looks that follow: its parent stops only when the child has let go of it.
    func seize(below root: PID) -> Set<TID> {
        var seized: Set<TID> = []
        var pending = [root]
        while let pid = pending.popLast() {
            for tid in TaskList.threads(of: pid) {
                if (try? Ptrace.seize(tid, options: Freezer.options)) != nil {
                    seized.insert(tid)
                    try? Ptrace.interrupt(tid)
                }
                if TaskList.sleepingIn(pid, tid) == "kernel_clone" { continue }
                pending += TaskList.children(of: pid, thread: tid)
            }
        }
        return seized
    }

    private func read(_ path: String) throws(DumpError) -> String {
        do throws(Errno) {
            let text = try ProcText.read(path)
            return text.hasSuffix("\n") ? String(text.dropLast()) : text
        } catch {
            throw .environment("\(path) cannot be read: \(error)")
        }
    }

    private func write(_ text: String) throws(DumpError) {
        do throws(Errno) {
            try ProcText.write(file, text)
        } catch {
            throw .environment("\(file) cannot be set to \(text): \(error)")
        }
    }
}
