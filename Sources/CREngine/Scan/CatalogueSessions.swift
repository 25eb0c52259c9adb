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
                .block, "session whose leader has ended and which others are in",
                "A process outside the tree keeps the session and its number alive, so the tree cannot make it "
                    + "again; end that process, or let the policy select it too.",
                kernel:
                    "A session id is its leader's process number, and the kernel keeps the id taken while "
                    + "members live.",
                restore:
                    "None, it blocks. A session in which the tree alone is left is made again by a short-lived "
                    + "process with the leader's number.")
        case .givenSession:
            Entry(
                .block, "session in a pid namespace that is given, whose leader is outside the tree",
                "The tree goes into a pid namespace that others keep (--external pid), and its session was made there by "
                    + "a process that is not in the tree or has ended; start the program with setsid(1) in that namespace, or let the "
                    + "policy select the leader too.",
                kernel:
                    "A process that enters a pid namespace brings its session from outside, and can make another "
                    + "only with its own number as the id.",
                restore:
                    "None, it blocks. A session that the root leads is made again, and one that leads out of the "
                    + "namespace becomes another of outside.")
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
                .block, "process group whose leader has ended and which others are in",
                "A process outside the tree keeps the group and its number alive, so the tree cannot make it "
                    + "again; end that process, or let the policy select it too.",
                kernel:
                    "A group id is its first leader's process number, and the kernel keeps the id taken while "
                    + "members live.",
                restore:
                    "None, it blocks. A group in which the tree alone is left is made again by a short-lived "
                    + "process with the leader's number.")
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
        case .terminalInstances:
            Entry(
                .block, "pseudo terminals of several devpts file systems", criu: "tty",
                "Images know a terminal by its number alone, and each devpts file system has numbers of its own; "
                    + "let the policy select a tree whose terminals are of one, inside the container, say.",
                kernel:
                    "Every mount of devpts is a file system of its own, with a ptmx and numbers from 0 on; "
                    + "the device number of a slave is the same in each.",
                restore: "None, it blocks.")
        case .terminalMissing:
            Entry(
                .block, "process without the terminal of its session",
                "It gave the controlling terminal up, or was there before its session had one, and a restored "
                    + "process gets its session's terminal; a program that calls setsid(2) is free of it.",
                kernel: "Each process has the terminal by itself, from its parent at fork(2); TIOCNOTTY of "
                    + "ioctl_tty(2) takes it from the caller alone, unless that leads the session.",
                restore: "None, it blocks.")
        case .terminalUnread:
            Entry(
                .block, "unread terminal input that cannot be carried", criu: "tty",
                "More than 16 KiB wait, or a control byte of packet mode, which nobody can put back; try again "
                    + "when the program has read it. A scan cannot see it, the dump finds it when the tree is "
                    + "stopped and lets it run on.",
                kernel:
                    "Only who holds the terminal can ask what waits in it, and reading takes it out. The line "
                    + "discipline holds 4095 bytes, and what is above waits in the other side's buffer.",
                restore: "None, it blocks.")
        case .flock:
            Entry(
                .block, "flock(2) lock", criu: "file-locks", remedy: "allow: {file-locks: owned}",
                "Nothing holds the lock between the kill and the restore, so that others may take it; "
                    + "it is taken again last.",
                kernel: "The lock belongs to the open file description and is gone with its last descriptor.",
                restore:
                    "Between kill and restore anybody may take the lock; the restore fails when somebody "
                    + "has.")
        case .posixLock:
            Entry(
                .block, "POSIX record lock", criu: "file-locks", remedy: "allow: {file-locks: owned}",
                "Nothing holds the lock between the kill and the restore, so that others may take it; "
                    + "it is taken again last.",
                kernel: "The lock belongs to the process and the inode, and is gone when the process closes "
                    + "any descriptor of the file.",
                restore:
                    "Between kill and restore anybody may take the lock; the restore fails when somebody "
                    + "has.")
        case .openFileLock:
            Entry(
                .block, "open file description lock", criu: "file-locks",
                remedy: "allow: {file-locks: owned}",
                "Nothing holds the lock between the kill and the restore, so that others may take it; "
                    + "it is taken again last.",
                kernel: "The lock belongs to the open file description and is gone with its last descriptor "
                    + "(F_OFD_SETLK of fcntl(2)).",
                restore:
                    "Between kill and restore anybody may take the lock; the restore fails when somebody "
                    + "has.")
        case .lease:
            Entry(
                .block, "file lease", criu: "file-locks", remedy: "allow: {file-locks: owned}",
                "Nothing holds the lease between the kill and the restore, and who opens the file "
                    + "then is not told of to the program; it is taken again last.",
                kernel: "A lease is on an open file description, and who opens the file makes the kernel ask "
                    + "for it back (F_SETLEASE of fcntl(2)).",
                restore:
                    "The lease is taken again; the restore fails when somebody has the file open in a way "
                    + "that the lease does not bear.")
        case .leaseUnsettled:
            Entry(
                .block, "lease that is being given back, or on a deleted file", criu: "file-locks",
                "Somebody who opens the file waits for the program to give the lease back, or the file "
                    + "cannot be copied without breaking it; wait until it is settled, or close the file.",
                kernel:
                    "Who opens a leased file waits until the holder lets go or /proc/sys/fs/lease-break-time "
                    + "is over, and a reader of the file's contents is such a one.",
                restore: "None, it blocks.")
        case .lockOutside:
            Entry(
                .block, "lock that a process outside the tree holds or waits for too", criu: "file-locks",
                remedy: "allow: {file-locks: any}",
                "The moment the tree is killed the outside process has the lock, or keeps its share of "
                    + "it, and the restore may not get it back.",
                kernel:
                    "fdinfo shows what the tree holds; /proc/locks shows who else has a lock on the file or "
                    + "waits for one, and kcmp(2) who else has the same file description open.",
                restore:
                    "The restore fails, naming who has the lock, unless it can be shared or was given back "
                    + "by then.")
        default: nil
        }
    }
}
