extension FindingCode {
    /// CRP6xx: tasks, the kernel and privileges. Nil for every other code.
    var taskEntry: Entry? {
        switch self {
        case .seccomp:
            Entry(
                .block, "seccomp", "This build does not carry seccomp filters yet.",
                kernel:
                    "Filters can be read by a privileged tracer (PTRACE_SECCOMP_GET_FILTER) and can never "
                    + "be taken off again.",
                restore: "None today, it blocks.")
        case .traced:
            Entry(
                .block, "traced task", "Only one tracer can hold a task; end the debugger first.",
                kernel: "ptrace(2) allows one tracer a task, and a dump is one.",
                restore: "None, it blocks.")
        case .kernelWorker:
            Entry(
                .block, "thread of io_uring or vhost",
                "The kernel runs it on behalf of the process, and it cannot be made again.",
                kernel: "The kernel has made the thread for itself (PF_IO_WORKER, PF_USER_WORKER); it has no "
                    + "registers of a program.",
                restore: "None, it blocks.")
        case .vforked:
            Entry(
                .block, "child of vfork(2) before its exec",
                "It borrows its parent's memory, and the parent sleeps until it goes on; this is over "
                    + "in a moment.",
                kernel:
                    "CLONE_VM and CLONE_VFORK: the parent is inside vfork(2) until the child calls exec or "
                    + "_exit.",
                restore: "None, it blocks. Try again.")
        case .sharedMemorySpace:
            Entry(
                .block, "address space shared between processes",
                "This build does not carry CLONE_VM between processes yet.",
                kernel: "clone(2) with CLONE_VM and without CLONE_THREAD makes two processes of one address "
                    + "space.",
                restore: "None today, it blocks.")
        case .sharedFileTable:
            Entry(
                .block, "descriptor table shared between processes",
                "This build does not carry CLONE_FILES between processes yet.",
                kernel: "clone(2) with CLONE_FILES makes two processes of one descriptor table: what one "
                    + "closes is closed for both.",
                restore: "None today, it blocks.")
        case .sharedFileSystem:
            Entry(
                .block, "directory and umask shared between processes",
                "This build does not carry CLONE_FS between processes yet.",
                kernel:
                    "clone(2) with CLONE_FS makes two processes of one working directory, root and umask.",
                restore: "None today, it blocks.")
        case .sharedHandlers:
            Entry(
                .block, "signal handlers shared between processes",
                "This build does not carry CLONE_SIGHAND between processes yet.",
                kernel: "clone(2) with CLONE_SIGHAND makes two processes of one table of signal handlers.",
                restore: "None today, it blocks.")
        case .threadOwnFiles:
            Entry(
                .block, "thread with files or directories of its own",
                "A thread that has left the descriptor table or the directories of its process is not "
                    + "carried.",
                kernel: "unshare(2) with CLONE_FILES or CLONE_FS acts on the calling thread only.",
                restore: "None, it blocks.")
        case .uninterruptible:
            Entry(
                .warn, "task in a system call that nothing can interrupt",
                "It can be stopped only when the call is over; the dump waits for that until its "
                    + "timeout.",
                kernel:
                    "The task sleeps in state D, mostly for a disk or a network file system, and does not "
                    + "stop for a tracer before it wakes.",
                restore: "None.")
        case .leaderEnded:
            Entry(
                .block, "process whose first thread has ended",
                "A process that goes on without its first thread cannot be made again.",
                kernel: "The first thread stays as a zombie until the last one ends, and clone3(2) makes a "
                    + "process only together with a first thread.",
                restore: "None, it blocks.")
        case .kernelThread:
            Entry(
                .block, "kernel thread", "It belongs to the kernel and cannot be dumped.",
                kernel: "It has no address space and no files of its own (PF_KTHREAD).",
                restore: "None, it blocks.")
        case .pendingSignals:
            Entry(
                .info, "pending signals",
                "They travel in the image and are delivered after the restore.",
                kernel: "A blocked signal waits in a queue of the thread or of the process; a privileged "
                    + "tracer can read it (PTRACE_PEEKSIGINFO).",
                restore: "The same signals wait again, with what they carry.")
        case .dumpingCore:
            Entry(
                .block, "process that is dumping core", "It is about to end.",
                kernel: "The kernel writes the core with all threads held, and then ends the process.",
                restore: "None, it blocks.")
        case .unreadable:
            Entry(
                .block, "fact that the kernel does not show",
                "What cannot be read cannot be dumped; run as root or with CAP_SYS_PTRACE, "
                    + "CAP_CHECKPOINT_RESTORE and CAP_DAC_READ_SEARCH.",
                kernel: "What a process holds is shown only to those who may trace it, see \"Ptrace access "
                    + "mode checking\" in ptrace(2).",
                restore: "None, it blocks.")
        case .deadlineScheduling:
            Entry(
                .block, "SCHED_DEADLINE", "This build does not carry deadline scheduling.",
                kernel: "The kernel admits such a task only when its runtime fits what is left of the "
                    + "processors at that moment.",
                restore: "None, it blocks.")
        case .protectedProcess:
            Entry(
                .block, "process that is never dumped",
                "The first process of the machine, crplan itself and what crplan runs under would "
                    + "wait for themselves.",
                kernel:
                    "A frozen task runs no code. Who waits for a task that it has frozen itself never goes "
                    + "on, and without pid 1 the machine stops.",
                restore: "None, it blocks.")
        case .program32:
            Entry(
                .block, "32-bit program", "This build carries 64-bit programs only.",
                kernel: "Registers, signal frames and structures of calls differ in a 32-bit task.",
                restore: "None, it blocks.")
        case .exitSignal:
            Entry(
                .block, "unusual signal at exit",
                "The task tells its parent of its end by another signal than SIGCHLD, which this "
                    + "build does not carry.",
                kernel:
                    "clone(2) sets which signal tells the parent of the end; any but SIGCHLD also changes "
                    + "how the parent has to wait (__WCLONE).",
                restore: "None, it blocks.")
        case .rootIsZombie:
            Entry(
                .block, "ended process",
                "The root of the tree has ended and waits for its parent only.",
                kernel: "A zombie has given back everything but its exit status.",
                restore: "None, it blocks.")
        case .outsideExtent:
            Entry(
                .block, "process with living children",
                "The policy says to dump the process alone and it has children; say \"tree: "
                    + "descendants\".",
                kernel: "A child whose parent goes is handed to the next subreaper or to pid 1, and is "
                    + "nobody's child in the tree after a restore.",
                restore: "None, it blocks.")
        case .vanished:
            Entry(
                .warn, "process that ended during the look",
                "The tree is changing; what is dumped is what is there when it is frozen.",
                kernel: "/proc shows what is there at the moment of each read.",
                restore: "None.")
        case .threadTimer:
            Entry(
                .block, "timer on the CPU clock of a thread",
                "The kernel does not tell whose clock of several threads it is, and the timer would go on "
                    + "with that of the first.",
                kernel:
                    "/proc/PID/timers shows the clock and the process, and not the thread that a CPU clock "
                    + "belongs to.",
                restore: "None, it blocks.")
        case .flusher:
            Entry(
                .block, "flusher of block devices",
                "The thread serves a device (PR_SET_IO_FLUSHER), and whoever uses that would hang while "
                    + "it is frozen.",
                kernel: "The mark keeps the thread's own allocations from waiting for the device that it "
                    + "serves.",
                restore: "None, it blocks.")
        case .machineCheckPolicy:
            Entry(
                .block, "policy for memory errors of its own",
                "This build does not carry PR_MCE_KILL.",
                kernel: "prctl(2) PR_MCE_KILL is inherited and cannot be read from outside but for the fact "
                    + "that it is set.",
                restore: "None, it blocks.")
        case .watchdog:
            Entry(
                .block, "watchdog of systemd",
                "systemd kills a service that does not report within the interval, and a program that reports "
                    + "at half of it can bear half of it as a pause; give dump.freeze-budget less than that.",
                kernel:
                    "WATCHDOG_USEC tells the program how often to report to systemd, and a stopped task reports nothing.",
                restore: "The service manager of the restored tree is not the one that it reported to.")
        case .transferCut:
            Entry(
                .warn, "transfer that the stop cut short",
                "The thread was amid a write of more than a pipe or socket takes at once, or a read with "
                    + "MSG_WAITALL, and the call returned what was moved so far, as after SIGSTOP and SIGCONT; programs that go on with the rest do not "
                    + "notice.",
                kernel:
                    "A stop ends a sleep in write(2) or recv(2), and a call that has moved some bytes returns their number instead of beginning again.",
                restore: "The program sees the same short transfer after a restore.")
        default: nil
        }
    }
}
