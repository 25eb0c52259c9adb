extension FindingCode {
    /// CRP4xx: terminals, sessions and locks. Nil for every other code.
    var sessionEntry: Entry? {
        switch self {
        case .shellJob:
            Entry(
                .block, "session whose leader is outside the tree", criu: "shell-job",
                remedy: "allow: {shell-job: true}",
                "The session leader stays outside, so the restored tree joins the session of whoever restores "
                    + "it; a service, or a program that setsid(1) started, leads a session of its own.",
                kernel: "Only a process itself can make a session, by setsid(2), with its own number as the "
                    + "id. A session of another process can only be inherited.",
                restore:
                    "The tree joins the session and the terminal of whoever restores it, so the session id "
                    + "changes.")
        case .deadSessionLeader:
            Entry(
                .block, "session whose leader has ended",
                "No task of the tree can make this session again, because its leader has ended.",
                kernel: "A session id is its leader's process number, and only that process could have made "
                    + "it; the kernel keeps the id while members live.",
                restore: "None, it blocks.")
        case .groupOutside:
            Entry(
                .block, "process group whose leader is outside the tree", criu: "shell-job",
                remedy: "allow: {shell-job: true}",
                "The leader of the process group stays outside, so the group cannot be made again "
                    + "inside the tree.",
                kernel: "setpgid(2) makes a group with a number only for the process of that number.",
                restore: "The tree joins the group of whoever restores it, so the group id changes.")
        case .deadGroupLeader:
            Entry(
                .block, "process group whose leader has ended",
                "No task of the tree can make this process group again, because its leader has ended.",
                kernel:
                    "A group id is its first leader's process number, and setpgid(2) can make it only for "
                    + "that process.",
                restore: "None, it blocks.")
        case .controllingTerminal:
            Entry(
                .block, "controlling terminal outside the tree", criu: "shell-job",
                remedy: "allow: {shell-job: true}",
                "The other side of the terminal is outside the tree, so the restored tree gets the terminal of "
                    + "whoever restores it.",
                kernel: "The terminal belongs to the session; only its leader can take one (TIOCSCTTY), and "
                    + "its other side is held by a shell or a terminal emulator.",
                restore: "The tree gets the terminal of whoever restores it, with the modes that were set.")
        case .terminal:
            Entry(
                .block, "terminal whose other side is outside the tree", criu: "shell-job",
                remedy: "allow: {shell-job: true}",
                "Who shows it and types into it is outside the tree; a pair of which both sides are inside is "
                    + "carried whole.",
                kernel: "Modes, window size and unread input are in the kernel and end with the last "
                    + "descriptor of a pseudo terminal.",
                restore: "The tree gets the terminal of whoever restores it.")
        case .terminalMaster:
            Entry(
                .block, "pseudo terminal whose slave side is held outside", criu: "tty",
                "A process outside the tree holds the slave side too, and would lose it with the tree.",
                kernel: "A master is made by opening /dev/ptmx and gets the next free number; the path "
                    + "/dev/pts/N is known to others.",
                restore: "None, it blocks.")
        case .flock:
            Entry(
                .block, "flock(2) lock", criu: "file-locks",
                "Nothing would hold the lock between the dump and the restore, and this build does "
                    + "not take locks again yet.",
                kernel: "The lock belongs to the open file description and is gone with its last descriptor.",
                restore:
                    "Between kill and restore anybody may take the lock; the restore fails when somebody "
                    + "has.")
        case .posixLock:
            Entry(
                .block, "POSIX record lock", criu: "file-locks",
                "Nothing would hold the lock between the dump and the restore, and this build does "
                    + "not take locks again yet.",
                kernel: "The lock belongs to the process and the inode, and is gone when the process closes "
                    + "any descriptor of the file.",
                restore:
                    "Between kill and restore anybody may take the lock; the restore fails when somebody "
                    + "has.")
        case .openFileLock:
            Entry(
                .block, "open file description lock", criu: "file-locks",
                "Nothing would hold the lock between the dump and the restore, and this build does "
                    + "not take locks again yet.",
                kernel: "The lock belongs to the open file description and is gone with its last descriptor "
                    + "(F_OFD_SETLK of fcntl(2)).",
                restore:
                    "Between kill and restore anybody may take the lock; the restore fails when somebody "
                    + "has.")
        case .lease:
            Entry(
                .block, "file lease", criu: "file-locks",
                "This build does not take leases again yet.",
                kernel: "A lease is on an open file description, and who opens the file makes the kernel ask "
                    + "for it back (F_SETLEASE of fcntl(2)).",
                restore: "The lease is taken again unless somebody opened the file meanwhile.")
        default: nil
        }
    }
}
