/// Which kernel objects the processes of a tree have in common, process by process.
struct SharingClasses {
    private var files = KcmpClasses<PID>(.files)
    private var fileSystem = KcmpClasses<PID>(.fileSystem)
    /// By what processes with one address space have in common, so that others need not be compared: every exec(2) puts
    /// the stack elsewhere.
    private var memory: [TaskFacts.Layout: KcmpClasses<PID>] = [:]
    /// By the first process with that address space: who shares signal handlers shares memory, see clone(2).
    private var signalHandlers: [PID: KcmpClasses<PID>] = [:]

    /// Throws ESRCH where the process is gone, EPERM without ptrace rights.
    mutating func classes(of task: TaskFacts) throws(Errno) -> TaskFacts.Sharing {
        let pid = task.pid
        var sharing = TaskFacts.Sharing(self: pid)
        sharing.files = try files.value(pid) { pid }
        sharing.memory = try memory[task.layout, default: KcmpClasses(.memory)].value(pid) { pid }
        sharing.fileSystem = try fileSystem.value(pid) { pid }
        sharing.signalHandlers = try signalHandlers[
            sharing.memory, default: KcmpClasses(.signalHandlers)
        ].value(pid) { pid }
        return sharing
    }
}
