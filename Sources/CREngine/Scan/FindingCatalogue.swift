extension FindingCode {
    /// The catalogue: one row a code.
    package var entry: Entry {
        switch self {
        case .pathReplaced:
            Entry(
                .block, "file whose path leads to another file",
                "Its path leads to another file now, replaced or covered by a mount, so a restore "
                    + "would open the wrong one; put the file back or close it.")
        case .nameGone:
            Entry(
                .block, "file unlinked here and linked elsewhere", criu: "link-remap",
                "The name it was opened by is gone while other names of it remain, so there is no "
                    + "path to open at restore, and this build makes no temporary link.")
        case .ghostTooLarge:
            Entry(
                .block, "deleted file over the ghost limit", criu: "ghost-limit",
                remedy: "allow: {ghost-limit: SIZE}",
                "A deleted file travels in the image, and this one is larger than the policy lets one "
                    + "be.")
        case .deletedDirectory:
            Entry(
                .block, "deleted directory",
                "The directory has no name left and cannot be opened again; change to another "
                    + "directory or close it.")
        case .fifo:
            Entry(.block, "named pipe", criu: "fifo", "This build does not carry named pipes yet.")
        case .pathUnknown:
            Entry(
                .block, "file whose path could not be checked",
                "Nothing proves that its path still leads to it, so a restore might open another "
                    + "file; run as root in the mount namespace of the tree.")
        case .pseudoFile:
            Entry(
                .block, "file of a kernel file system",
                "What such a file shows belongs to this very kernel and process and cannot be opened "
                    + "again as it was; close it in the program.")
        case .pipeOutside:
            Entry(
                .block, "pipe whose far end is outside the tree", criu: "inherit-fd",
                "A process outside the tree holds the pipe too, so both ends cannot be frozen "
                    + "together, and this build cannot hand an outside pipe to a restored tree yet.")
        case .stdioOutside:
            Entry(
                .block, "standard stream that leads out of the tree", criu: "inherit-fd",
                "Its other end is outside the tree and will not be there at restore, and this build "
                    + "does not reconnect standard streams yet; start the program with its streams on "
                    + "files.")
        case .ghostFile:
            Entry(
                .info, "deleted file", criu: "ghost-limit",
                "It has no name left; its contents travel in the image.")
        case .messageQueue:
            Entry(
                .block, "POSIX message queue", criu: "mqueue",
                "This build does not carry message queues yet.")
        case .packetPipe:
            Entry(
                .block, "pipe in packet mode",
                "The bounds between unread packets would be lost (O_DIRECT of pipe(2)).")
        case .pathOnlyObject:
            Entry(
                .block, "path-only descriptor of something else than a file or directory",
                "This build opens only files and directories with O_PATH again.")
        case .memfd:
            Entry(.block, "memfd", criu: "memfd", "This build does not carry memory files yet.")
        case .eventFD:
            Entry(.block, "eventfd", criu: "eventfd", "This build does not carry event counters yet.")
        case .epoll:
            Entry(.block, "epoll set", criu: "eventpoll", "This build does not carry epoll sets yet.")
        case .signalFD:
            Entry(
                .block, "signalfd", criu: "signalfd",
                "This build does not carry signal descriptors yet.")
        case .timerFD:
            Entry(
                .block, "timerfd", criu: "timerfd",
                "This build does not carry timer descriptors yet.")
        case .inotify:
            Entry(
                .block, "inotify instance", criu: "inotify",
                "This build does not carry file watches yet.")
        case .fanotify:
            Entry(
                .block, "fanotify group", criu: "fanotify",
                "This build does not carry file watches yet.")
        case .pidFD:
            Entry(.block, "pidfd", criu: "pidfd", "This build does not carry process descriptors yet.")
        case .namespaceFD:
            Entry(
                .block, "descriptor of a namespace", criu: "ns",
                "This build does not carry namespace descriptors yet.")
        case .ioURing:
            Entry(
                .block, "io_uring",
                "The requests and buffers of an io_uring live in the kernel and nothing can read them "
                    + "back; most libraries have a switch, such as UV_USE_IO_URING=0.")
        case .perfEvent:
            Entry(
                .block, "performance counter",
                "The state of a counter cannot be put back; stop the profiler.")
        case .userfaultFD:
            Entry(
                .block, "userfaultfd",
                "Page faults would wait for a handler that is not restored; end the handler first.")
        case .bpf:
            Entry(
                .block, "bpf object",
                "Programs and maps of bpf live in the kernel and cannot be read back in full.")
        case .anonymousInode:
            Entry(
                .block, "kernel object without a path",
                "This build does not know how to read and make again what is behind it.")
        case .unknownFile:
            Entry(
                .block, "descriptor of an unknown kind",
                "This build does not know what it is, so it will not pretend to carry it.")
        case .fileGoesOn:
            Entry(
                .block, "file that the tree goes on changing", remedy: "dump: {filesystem: hook}",
                "After leave-running the program changes the file further, and a restore would find it newer "
                    + "than the memory; let a hook at the frozen stage take a snapshot, or say unsafe-ignore if "
                    + "that does no harm.")
        case .unixPair:
            Entry(
                .block, "unix socket connected inside the tree", criu: "unix",
                "This build does not carry unix sockets yet.")
        case .unixListen:
            Entry(
                .block, "listening unix socket", criu: "unix",
                "This build does not carry unix sockets yet.")
        case .unixSocket:
            Entry(
                .block, "unix socket without a peer", criu: "unix",
                "This build does not carry unix sockets yet.")
        case .unixOutside:
            Entry(
                .block, "unix socket whose peer is outside the tree", criu: "ext-unix-sk",
                "The peer is outside the tree, so both ends cannot be frozen together, and this build "
                    + "does not reconnect sockets yet.")
        case .tcpListen:
            Entry(
                .block, "listening tcp socket", criu: "tcp",
                "This build does not carry tcp sockets yet.")
        case .tcpEstablished:
            Entry(
                .block, "established tcp connection", criu: "tcp-established",
                "The peer cannot be frozen together with the tree, and this build does not carry tcp "
                    + "connections yet.")
        case .tcpInFlight:
            Entry(
                .block, "tcp connection that is being made or closed", criu: "skip-in-flight",
                "A connection half-way through its handshake has state that cannot be read; wait "
                    + "until it settles.")
        case .tcpIdle:
            Entry(
                .block, "tcp socket without a connection", criu: "tcp",
                "This build does not carry tcp sockets yet.")
        case .udp:
            Entry(.block, "udp socket", criu: "udp", "This build does not carry udp sockets yet.")
        case .netlink:
            Entry(
                .block, "netlink socket", criu: "netlink",
                "This build does not carry netlink sockets yet.")
        case .packet:
            Entry(
                .block, "packet socket", criu: "packet",
                "This build does not carry packet sockets yet.")
        case .otherSocket:
            Entry(
                .block, "socket of another family",
                "This build does not carry sockets of this family.")
        case .connectionGoesOn:
            Entry(
                .block, "connection that goes on after the checkpoint", criu: "tcp-established",
                remedy: "dump: {established-tcp: allow}",
                "After leave-running both ends go on, so the connection of the checkpoint is history by the "
                    + "time of a restore and will break there.")
        case .pidNamespace:
            Entry(
                .block, "pid namespace of its own",
                "This build dumps only trees in its own pid namespace.")
        case .networkNamespace:
            Entry(
                .block, "network namespace of its own",
                "This build dumps only trees in its own network namespace.")
        case .mountNamespace:
            Entry(
                .block, "mount namespace of its own",
                "This build dumps only trees in its own mount namespace.")
        case .userNamespace:
            Entry(
                .block, "user namespace of its own",
                "This build dumps only trees in its own user namespace.")
        case .utsNamespace:
            Entry(
                .block, "uts namespace of its own",
                "This build dumps only trees in its own uts namespace.")
        case .ipcNamespace:
            Entry(
                .block, "ipc namespace of its own",
                "This build dumps only trees in its own ipc namespace.")
        case .cgroupNamespace:
            Entry(
                .block, "cgroup namespace of its own",
                "This build dumps only trees in its own cgroup namespace.")
        case .namespaceForChildren:
            Entry(
                .block, "namespace chosen for children to come",
                "The task has chosen another pid or time namespace for its children than it lives in, "
                    + "which no image can hold.")
        case .timeNamespaceSplit:
            Entry(
                .block, "time namespaces that differ within the tree",
                "All tasks of a tree share one time namespace at restore; these do not.")
        case .changedRoot:
            Entry(
                .block, "changed root directory", criu: "root",
                "This build dumps only tasks whose root directory is the host's.")
        case .threadNamespace:
            Entry(
                .block, "thread in other namespaces than its process",
                "Namespaces of a single thread are not carried.")
        case .threadCgroup:
            Entry(
                .block, "thread in another control group than its process",
                "Control groups of a single thread are not carried.")
        case .restartingUnit:
            Entry(
                .warn, "service that systemd starts again",
                "systemd takes the kill for a crash and starts a second copy, which a restore would meet; put "
                    + "Restart=no into a drop-in of the unit first, or leave the tree running or stopped.")
        case .shellJob:
            Entry(
                .block, "session whose leader is outside the tree", criu: "shell-job",
                "The session leader stays outside, so the restored tree would have to join another "
                    + "session, which this build does not do yet; start the program with setsid(1) or as a "
                    + "service.")
        case .deadSessionLeader:
            Entry(
                .block, "session whose leader has ended",
                "No task of the tree can make this session again, because its leader has ended.")
        case .groupOutside:
            Entry(
                .block, "process group whose leader is outside the tree", criu: "shell-job",
                "The leader of the process group stays outside, so the group cannot be made again "
                    + "inside the tree.")
        case .deadGroupLeader:
            Entry(
                .block, "process group whose leader has ended",
                "No task of the tree can make this process group again, because its leader has ended.")
        case .controllingTerminal:
            Entry(
                .block, "controlling terminal", criu: "shell-job",
                "The terminal is outside the tree; start the program with setsid(1) or as a service.")
        case .terminal:
            Entry(
                .block, "terminal", criu: "shell-job",
                "This build does not carry terminals yet.")
        case .terminalMaster:
            Entry(
                .block, "master side of a pseudo terminal", criu: "tty",
                "This build does not carry terminals yet.")
        case .flock:
            Entry(
                .block, "flock(2) lock", criu: "file-locks",
                "Nothing would hold the lock between the dump and the restore, and this build does "
                    + "not take locks again yet.")
        case .posixLock:
            Entry(
                .block, "POSIX record lock", criu: "file-locks",
                "Nothing would hold the lock between the dump and the restore, and this build does "
                    + "not take locks again yet.")
        case .openFileLock:
            Entry(
                .block, "open file description lock", criu: "file-locks",
                "Nothing would hold the lock between the dump and the restore, and this build does "
                    + "not take locks again yet.")
        case .lease:
            Entry(
                .block, "file lease", criu: "file-locks",
                "This build does not take leases again yet.")
        case .device:
            Entry(.block, "device", "A device has state that no image can hold.")
        case .gpu:
            Entry(
                .block, "graphics device",
                "Memory and contexts of a graphics device are outside the reach of this build; "
                    + "checkpoint them by the vendor's tool first and close the device.")
        case .kvm:
            Entry(
                .block, "virtual machine device",
                "The state of a virtual machine is in the kernel; use the checkpoint of the machine "
                    + "monitor.")
        case .fuse:
            Entry(
                .block, "fuse connection",
                "The task serves a file system, and whoever uses that would hang while the task is "
                    + "frozen.")
        case .watchdogDevice:
            Entry(
                .block, "hardware watchdog",
                "The machine reboots when the task does not write to it in time, and neither a pause nor a "
                    + "kill lets it write; stop the watchdog and close the device first.")
        case .deviceMapping:
            Entry(
                .block, "mapped device memory",
                "What is behind the mapping is a device, whose memory no image can hold.")
        case .hugeTLB:
            Entry(
                .block, "mapping of huge pages from hugetlbfs",
                "This build does not carry hugetlb pages yet.")
        case .aio:
            Entry(
                .block, "ring of io_setup(2)",
                "Requests under way in an AIO ring cannot be read, and this build does not make the "
                    + "ring again yet.")
        case .systemV:
            Entry(
                .block, "System V shared memory",
                "The segment belongs to the ipc namespace and outlives the tree; this build does not "
                    + "carry it yet.")
        case .sealedMapping:
            Entry(
                .block, "sealed mapping",
                "mseal(2) forbids what a restore has to do to put the mapping where it was.")
        case .droppable:
            Entry(
                .block, "mapping that the kernel may drop",
                "This build does not carry MAP_DROPPABLE memory yet.")
        case .shadowStack:
            Entry(
                .block, "shadow stack",
                "This build does not carry shadow stacks; start the program without "
                    + "(GLIBC_TUNABLES=glibc.cpu.x86_shstk=off).")
        case .userfaultMapping:
            Entry(
                .block, "mapping registered with a userfaultfd",
                "Its page faults wait for a handler that is not restored.")
        case .uprobes:
            Entry(
                .block, "page of user probes",
                "Somebody traces the program with uprobes; end the trace first.")
        case .socketMapping:
            Entry(.block, "mapped socket ring", "This build does not carry packet rings.")
        case .memfdMapping:
            Entry(.block, "mapped memfd", criu: "memfd", "This build does not carry memory files yet.")
        case .unknownMapping:
            Entry(.block, "mapping of an unknown kind", "This build does not know what is behind it.")
        case .unknownAreaFlag:
            Entry(
                .block, "mapping with a flag that this build does not know",
                "The kernel is newer than this build and gives the mapping a property that would be "
                    + "lost.")
        case .areasNotExamined:
            Entry(
                .info, "process with very many mappings",
                "Its mappings are looked at in detail only when it is frozen, because that look would "
                    + "slow it down.")
        case .sharedMemoryOutside:
            Entry(
                .block, "shared memory that a process outside the tree maps too",
                "After a restore each side would have memory of its own; checkpoint both sides as one "
                    + "tree.")
        case .protectionKey:
            Entry(
                .block, "mapping with a protection key",
                "This build does not take keys of pkey_alloc(2) again yet, and without its key the memory "
                    + "would be open to code that must not touch it.")
        case .seccomp:
            Entry(.block, "seccomp", "This build does not carry seccomp filters yet.")
        case .traced:
            Entry(.block, "traced task", "Only one tracer can hold a task; end the debugger first.")
        case .kernelWorker:
            Entry(
                .block, "thread of io_uring or vhost",
                "The kernel runs it on behalf of the process, and it cannot be made again.")
        case .vforked:
            Entry(
                .block, "child of vfork(2) before its exec",
                "It borrows its parent's memory, and the parent sleeps until it goes on; this is over "
                    + "in a moment.")
        case .sharedMemorySpace:
            Entry(
                .block, "address space shared between processes",
                "This build does not carry CLONE_VM between processes yet.")
        case .sharedFileTable:
            Entry(
                .block, "descriptor table shared between processes",
                "This build does not carry CLONE_FILES between processes yet.")
        case .sharedFileSystem:
            Entry(
                .block, "directory and umask shared between processes",
                "This build does not carry CLONE_FS between processes yet.")
        case .sharedHandlers:
            Entry(
                .block, "signal handlers shared between processes",
                "This build does not carry CLONE_SIGHAND between processes yet.")
        case .threadOwnFiles:
            Entry(
                .block, "thread with files or directories of its own",
                "A thread that has left the descriptor table or the directories of its process is not "
                    + "carried.")
        case .uninterruptible:
            Entry(
                .warn, "task in a system call that nothing can interrupt",
                "It can be stopped only when the call is over; the dump waits for that until its "
                    + "timeout.")
        case .leaderEnded:
            Entry(
                .block, "process whose first thread has ended",
                "A process that goes on without its first thread cannot be made again.")
        case .kernelThread:
            Entry(.block, "kernel thread", "It belongs to the kernel and cannot be dumped.")
        case .pendingSignals:
            Entry(
                .info, "pending signals",
                "They travel in the image and are delivered after the restore.")
        case .dumpingCore:
            Entry(.block, "process that is dumping core", "It is about to end.")
        case .unreadable:
            Entry(
                .block, "fact that the kernel does not show",
                "What cannot be read cannot be dumped; run as root or with CAP_SYS_PTRACE, "
                    + "CAP_CHECKPOINT_RESTORE and CAP_DAC_READ_SEARCH.")
        case .deadlineScheduling:
            Entry(.block, "SCHED_DEADLINE", "This build does not carry deadline scheduling.")
        case .protectedProcess:
            Entry(
                .block, "process that is never dumped",
                "The first process of the machine, crplan itself and what crplan runs under would "
                    + "wait for themselves.")
        case .program32:
            Entry(.block, "32-bit program", "This build carries 64-bit programs only.")
        case .exitSignal:
            Entry(
                .block, "unusual signal at exit",
                "The task tells its parent of its end by another signal than SIGCHLD, which this "
                    + "build does not carry.")
        case .rootIsZombie:
            Entry(
                .block, "ended process",
                "The root of the tree has ended and waits for its parent only.")
        case .outsideExtent:
            Entry(
                .block, "process with living children",
                "The policy says to dump the process alone and it has children; say \"tree: "
                    + "descendants\".")
        case .vanished:
            Entry(
                .warn, "process that ended during the look",
                "The tree is changing; what is dumped is what is there when it is frozen.")
        case .threadTimer:
            Entry(
                .block, "timer on the CPU clock of a thread",
                "The kernel does not tell whose clock of several threads it is, and the timer would go on "
                    + "with that of the first.")
        case .flusher:
            Entry(
                .block, "flusher of block devices",
                "The thread serves a device (PR_SET_IO_FLUSHER), and whoever uses that would hang while "
                    + "it is frozen.")
        case .memoryPolicy:
            Entry(
                .block, "memory bound to nodes",
                "Where memory comes from was chosen by mbind(2) or set_mempolicy(2), and this build does "
                    + "not choose it again; start the program without numactl(8).")
        case .machineCheckPolicy:
            Entry(
                .block, "policy for memory errors of its own",
                "This build does not carry PR_MCE_KILL.")
        case .watchdog:
            Entry(
                .block, "watchdog of systemd",
                "systemd kills a service that does not report within the interval, and a program that reports "
                    + "at half of it can bear half of it as a pause; give dump.freeze-budget less than that.")
        case .transferCut:
            Entry(
                .warn, "transfer that the stop cut short",
                "The thread was amid a write of more than a pipe takes at once, and the write returned what "
                    + "was written so far, as after SIGSTOP and SIGCONT; programs that go on with the rest do not "
                    + "notice.")
        case .unsupportedKey:
            Entry(
                .block, "policy key without effect in this build",
                "This build would not do what the policy asks for by this key; take the key out, or "
                    + "use a build that does.")
        case .tooManyTargets:
            Entry(
                .block, "more targets than max-targets", remedy: "max-targets: COUNT",
                "A selection that matches more than expected stops nothing; narrow it or raise the "
                    + "limit.")
        case .nothingMatched:
            Entry(.warn, "selection without a match", "No process matches the policy.")
        case .sameName:
            Entry(
                .warn, "targets of the same name",
                "Two trees have the same program and arguments; the later one is told apart by a "
                    + "number.")
        case .brokenPattern:
            Entry(
                .block, "matcher that could not be tried",
                "The regular expression takes too long on a command line of this host; make it more "
                    + "specific.")
        case .unknownPrincipal:
            Entry(
                .warn, "unknown user or group",
                "The host has no such user or group, so the matcher matches nothing.")
        case .pidfileUnusable:
            Entry(
                .warn, "pidfile that names no process",
                "The file is missing or holds no number of a process, so the matcher matches nothing.")
        case .groupBlocked:
            Entry(
                .block, "tree of a group that is blocked",
                "The trees of a session or control group are frozen together, and another one of them is "
                    + "blocked.")
        case .outsideGroup:
            Entry(
                .warn, "process of another control group",
                "It descends from a process of the group that the policy selects and is in another one; "
                    + "a dump takes whole trees, so it comes along.")
        case .budgetWithoutPause:
            Entry(
                .warn, "freeze-budget of a tree that does not run on",
                "The budget bounds the pause of a tree that runs on afterwards; one that is killed or left "
                    + "stopped sees no end of it, so the budget has no effect.")
        }
    }
}
