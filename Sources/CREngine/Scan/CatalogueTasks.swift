extension FindingCode {
    /// CRP6xx: tasks, the kernel and privileges. Nil for every other code.
    var taskEntry: Entry? {
        switch self {
        case .seccomp:
            Entry(
                .block, "seccomp, seen by a crplan that runs under seccomp",
                "Only a process that no filter holds may read the filters of others; run crplan outside of the "
                    + "container or unit that filters its system calls.",
                kernel:
                    "A privileged tracer can read filters (PTRACE_SECCOMP_GET_FILTER) and suspend them while it "
                    + "works (PTRACE_O_SUSPEND_SECCOMP), unless it has one itself.",
                restore:
                    "Strict mode and filters are carried, and installed last. A filter that asks a listener "
                    + "in user space is refused when the tree is frozen.")
        case .traced:
            Entry(
                .block, "traced task",
                "Only one tracer can hold a task; detach the debugger (detach in gdb, SIGINT to strace) or end it.",
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
                .block, "descriptor table shared with another process than the parent",
                "A restore makes a process that shares descriptors out of its parent, and this one shares "
                    + "them with another.",
                kernel: "clone(2) with CLONE_FILES makes two processes of one descriptor table: what one "
                    + "closes is closed for both.",
                restore: "None, it blocks. A table shared by parent and child is carried.")
        case .sharedFileSystem:
            Entry(
                .block, "directory and umask shared with another process than the parent",
                "A restore makes a process that shares its working directory out of its parent, and this one "
                    + "shares it with another.",
                kernel:
                    "clone(2) with CLONE_FS makes two processes of one working directory, root and umask.",
                restore: "None, it blocks. What parent and child share is carried.")
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
                .block, "unusual signal at exit of a root, an ended process or an adopted one",
                "The task tells its parent of its end by another signal than SIGCHLD, and a restore cannot make it "
                    + "as its parent's own child.",
                kernel:
                    "clone(2) sets which signal tells the parent of the end; any but SIGCHLD also changes "
                    + "how the parent has to wait (__WCLONE).",
                restore: "None, it blocks. Of other tasks the signal is carried.")
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
                    + "with that of the first; allow crplan CAP_BPF and CAP_PERFMON, on a kernel with "
                    + "CONFIG_DEBUG_INFO_BTF.",
                kernel:
                    "/proc/PID/timers shows the clock and the process, and not the thread that a CPU clock "
                    + "belongs to; a program inside the kernel reads it.",
                restore: "None, it blocks.")
        case .flusher:
            Entry(
                .block, "flusher of block devices",
                "The thread serves a device (PR_SET_IO_FLUSHER), and whoever uses that would hang while "
                    + "it is frozen.",
                kernel: "The mark keeps the thread's own allocations from waiting for the device that it "
                    + "serves.",
                restore: "None, it blocks.")
        case .lostSetting:
            Entry(
                .block, "setting of a thread that no image holds",
                "A restored thread would run without it; let the program set it again itself, or start it "
                    + "without.",
                kernel:
                    "A signal at a deadline's overrun would come from what a dump lets the thread do. Speculation control and core scheduling are of prctl(2), utilisation clamps of "
                    + "sched_setattr(2); they depend on the processor as much as on the program.",
                restore: "None, it blocks.")
        case .securityLabel:
            Entry(
                .block, "label of a security module", criu: "lsm-profile",
                "The task runs under another label than crplan (AppArmor profile or SELinux context), and a "
                    + "restored one would run under that of whoever restores it.",
                kernel: "/proc/PID/attr/current shows the label; who may change to which label is up to the "
                    + "module's policy.",
                restore: "None today, it blocks.")
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
