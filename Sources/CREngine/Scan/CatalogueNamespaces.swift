extension FindingCode {
    /// CRP3xx: namespaces and control groups. Nil for every other code.
    var namespaceEntry: Entry? {
        switch self {
        case .pidNamespace:
            Entry(
                .block, "pid namespace within the tree",
                "A tree is carried in one pid namespace, as the init of which its root was made; end the init of the other "
                    + "namespace first, or dump the tree of that init alone.",
                kernel:
                    "A namespace lives by its members, its pid 1 has duties that end with it, and process "
                    + "numbers in it differ from those outside.",
                restore: "None, it blocks.")
        case .networkNamespace:
            Entry(
                .block, "network namespace within the tree",
                "A tree is carried in the network namespace of its root; this task has another one. End it first, or dump "
                    + "the tree below it alone.",
                kernel: "Interfaces, addresses, routes and rules belong to the namespace and end with it.",
                restore: "None, it blocks.")
        case .mountNamespace:
            Entry(
                .block, "mount namespace within the tree",
                "A tree is carried in the mount namespace of its root; this task has another one, and is to be ended first, or "
                    + "dumped alone with the tree below it. Or the mounts of the root cannot be read.",
                kernel: "The table of mounts belongs to the namespace, with bind mounts whose source may not "
                    + "be visible outside.",
                restore: "None, it blocks.")
        case .userNamespace:
            Entry(
                .block, "user namespace of the tree",
                "A tree is carried in the user namespace of its root, where that was made in ours, owns the tree's other "
                    + "namespaces, and maps every id of its tasks; then this only says so.",
                kernel: "Its maps of ids are set once and for good, and all privileges of its members are "
                    + "relative to it. An id that is not mapped cannot be given to anybody inside.",
                restore: "A new one with the same maps; who restores needs those ids to give.")
        case .utsNamespace:
            Entry(
                .block, "uts namespace within the tree",
                "A task may have another one than the root of its tree, with its own host and domain name; then this only says so. "
                    + "It blocks where that is the host's while the root has one of its own, or where another user namespace owns it.",
                kernel: "Host and domain name belong to it.",
                restore:
                    "A new one with the same names, made by the first task of it. Stock criu carries none but the root's."
            )
        case .ipcNamespace:
            Entry(
                .block, "ipc namespace within the tree",
                "A task may have another one than the root of its tree, as long as there is nothing in it but its settings; then this "
                    + "only says so. Else end the task first, or dump the tree below it alone.",
                kernel:
                    "System V objects and message queues belong to it and end with it, and their numbers are unique in it alone.",
                restore:
                    "A new one with the same settings, made by the first task of it. Stock criu carries none but the root's."
            )
        case .cgroupNamespace:
            Entry(
                .block, "cgroup namespace within the tree",
                "A tree is carried in the cgroup namespace of its root; this task has another one, and is to be ended first, "
                    + "or dumped alone with the tree below it. Or the root is in groups that are not below the roots of its namespace, and nothing tells where those are.",
                kernel: "Its root is the group that the process was in when it was made, and cannot be set.",
                restore: "None, it blocks.")
        case .namespaceForChildren:
            Entry(
                .block, "namespace chosen for children to come",
                "The task has chosen another pid or time namespace for its children than it lives in, "
                    + "which no image can hold.",
                kernel: "unshare(2) with CLONE_NEWPID or CLONE_NEWTIME changes where children go and leaves "
                    + "the caller where it is.",
                restore: "None, it blocks.")
        case .timeNamespaceSplit:
            Entry(
                .block, "time namespaces that differ within the tree",
                "All tasks of a tree share one time namespace at restore; these do not. End the other one first, or dump the tree "
                    + "below it alone.",
                kernel: "The offsets of CLOCK_MONOTONIC and CLOCK_BOOTTIME are set before the first process "
                    + "enters, once for all in it.",
                restore: "The tree gets one time namespace, so that its clocks go on where they were. Two "
                    + "cannot be had.")
        case .changedRoot:
            Entry(
                .block, "changed root directory", criu: "root",
                "This build dumps tasks whose root directory is the host's or, but for the root of the tree, one in a mount "
                    + "namespace of the tree's own.",
                kernel:
                    "chroot(2) changes where paths begin for one process, and a path of /proc is relative "
                    + "to that.",
                restore: "None today, it blocks.")
        case .threadNamespace:
            Entry(
                .block, "thread in other namespaces than its process",
                "Namespaces of a single thread are not carried.",
                kernel: "unshare(2) and setns(2) act on the calling thread only.",
                restore: "None, it blocks.")
        case .threadCgroup:
            Entry(
                .block, "thread in another control group than its process",
                "The unified hierarchy places threads one by one, and what it is told for that is not carried.",
                kernel:
                    "A group of cgroup.type threaded takes threads of a process whose others are elsewhere.",
                restore: "None, it blocks.")
        case .restartingUnit:
            Entry(
                .warn, "service that systemd starts again",
                "systemd takes the kill for a crash and starts a second copy, which a restore would meet; put "
                    + "Restart=no into a drop-in of the unit first, or leave the tree running or stopped.",
                kernel:
                    "systemd waits for the main process of the unit and sees only that a signal has ended it.",
                restore: "A second copy may hold the ports and files that the restored tree needs.")
        default: nil
        }
    }
}
