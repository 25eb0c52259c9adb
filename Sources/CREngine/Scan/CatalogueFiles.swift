extension FindingCode {
    /// CRP1xx: files. Nil for every other code.
    var fileEntry: Entry? {
        switch self {
        case .pathReplaced:
            Entry(
                .block, "file whose path leads to another file",
                "Its path leads to another file now, replaced or covered by a mount, so a restore "
                    + "would open the wrong one; put the file back or close it.",
                kernel: "A descriptor holds an inode, not a name. The path in /proc/PID/fd is only how the "
                    + "file was reached once, and rename(2), unlink(2) and mounts change what it leads to.",
                restore: "The restore would open the path and get the other file; nothing allows that.")
        case .evasiveDevice:
            Entry(
                .block, "device whose path is gone or covered", criu: "evasive-devices",
                remedy: "allow: {evasive-devices: true}",
                "Its path no longer leads to it, and another node of the same number is there, so a restore "
                    + "can open the device by that.",
                kernel:
                    "A device is its number; a node is only a name for it. The name that /proc shows is the "
                    + "one it was opened by, which may be unlinked or lie below a mount.",
                restore: "The device is opened by the other name, and /proc/PID/fd shows that one.")
        case .nameGone:
            Entry(
                .block, "file unlinked here and linked elsewhere", criu: "link-remap",
                remedy: "allow: {link-remap: true}",
                "The name it was opened by is gone while other names of it remain, so there is no "
                    + "path to open at restore unless the dump makes a temporary hard link.",
                kernel: "The kernel keeps the inode while a link or a descriptor is left, but cannot tell "
                    + "where its other links are, and linkat(2) with AT_EMPTY_PATH can make a name only in "
                    + "the same file system.",
                restore: "With a temporary link the file is opened by that and the link is removed again; it "
                    + "must be there from the dump to the restore.")
        case .ghostTooLarge:
            Entry(
                .block, "deleted file over the ghost limit", criu: "ghost-limit",
                remedy: "allow: {ghost-limit: SIZE}",
                "A deleted file travels in the image, and this one is larger than the policy lets one "
                    + "be.",
                kernel: "The last name is gone and the inode lives by the descriptor alone, so its contents "
                    + "end with the process and must travel in the image.",
                restore: "As much room in the image as the file has data, and a copy of it at restore. "
                    + "ghost-limit: auto takes any size.")
        case .deletedDirectory:
            Entry(
                .block, "directory that no path leads to",
                "The directory is not removed, and no path leads to it from here, as after a lazy unmount; change to "
                    + "another directory or close it.",
                kernel:
                    "A mount that was taken away with MNT_DETACH lives on for those who have files on it open.",
                restore:
                    "None, it blocks. A directory that was removed is carried: it is made again, opened, and "
                    + "removed again.")
        case .fifo:
            Entry(
                .block, "named pipe that a process outside has open", criu: "fifo",
                "What is unread in it stays in the kernel for the other process, and a restore would put it in "
                    + "once more; let the policy select that process too, or close it.",
                kernel:
                    "What is written to a named pipe and not yet read is in the kernel, bound to the inode "
                    + "as long as somebody has it open.",
                restore:
                    "Of a named pipe that only the tree has open, unread bytes are put back before any end "
                    + "is opened.")
        case .pathUnknown:
            Entry(
                .block, "file whose path could not be checked",
                "Nothing proves that its path still leads to it, so a restore might open another "
                    + "file; run as root in the mount namespace of the tree.",
                kernel:
                    "The kernel shows a path as the mount namespace of the task sees it; from another one, "
                    + "or without privilege, it cannot be compared with what is there.",
                restore: "None, it blocks.")
        case .externalFile:
            Entry(
                .info, "file that a restore is given from outside", criu: "external",
                "It is in no image and its path does not matter; whoever restores hands a descriptor over.",
                kernel:
                    "A descriptor can be handed from process to process, whatever it refers to and whether that "
                    + "has a name or not.",
                restore:
                    "restore.inherit-fd or --inherit-fd names the descriptor; without it the restore fails.")
        case .pseudoFile:
            Entry(
                .block, "file of a kernel file system",
                "What such a file shows belongs to this very kernel, or to a process that is not in the tree, and cannot be "
                    + "opened again as it was; close it in the program. Files about the whole system and those of the "
                    + "tree's own processes are carried.",
                kernel:
                    "Files of procfs, sysfs and their kin are made by the kernel as they are read; some go by the "
                    + "rights of the process that opened them.",
                restore: "None, it blocks.")
        case .pipeOutside:
            Entry(
                .block, "pipe whose far end is outside the tree", criu: "inherit-fd",
                remedy: "allow: {ext-pipes: inherit}",
                "A process outside the tree holds the pipe too, so both ends cannot be frozen "
                    + "together; the policy says what a restore puts in its place.",
                kernel:
                    "A pipe has no name and lives by its open ends. A new pipe is another object than the "
                    + "one that the outside process still holds.",
                restore:
                    "inherit: whoever restores hands a descriptor over (restore.inherit-fd). null: the end "
                    + "leads to /dev/null.")
        case .stdioOutside:
            Entry(
                .block, "standard stream that leads out of the tree", criu: "inherit-fd",
                remedy: "allow: {stdio: [{on-restore: inherit}]}",
                "Its other end is outside the tree and will not be there at restore; the policy says what "
                    + "a restore puts in its place.",
                kernel: "A standard stream is a descriptor like any other, and its other end, a terminal, a "
                    + "pipe or a socket, belongs to who started the program.",
                restore: "The stream leads where on-restore says: handed over, /dev/null or a file. What was "
                    + "unread is lost.")
        case .ghostFile:
            Entry(
                .info, "deleted file", criu: "ghost-limit",
                "It has no name left; its contents travel in the image.",
                kernel: "The last name is gone and the inode lives by the descriptor alone.",
                restore: "Its contents are copied into a new file that is unlinked again, on the same file "
                    + "system and with another inode number.")
        case .messageQueue:
            Entry(
                .block, "POSIX message queue", criu: "mqueue",
                "A queue of an ipc namespace of the tree's own is carried, with its messages, unless the finding says "
                    + "why not. One of the host's namespace is not: nobody can tell who else uses it. Start the program in an ipc "
                    + "namespace of its own (unshare --ipc), or let it close and remove the queue (mq_unlink).",
                kernel: "A queue belongs to the ipc namespace, and mq_receive(3) can only read messages by "
                    + "taking them out; a program inside the kernel (BPF) reads them where they are.",
                restore:
                    "A queue of the tree's own namespace is made again with its messages in their order, by "
                    + "the descriptors' names and modes, with who is to be notified.")
        case .packetPipe:
            Entry(
                .block, "pipe in packet mode",
                "The bounds between unread packets would be lost (O_DIRECT of pipe(2)).",
                kernel: "With O_DIRECT each write is a packet for itself, and tee(2), by which unread bytes "
                    + "are copied, does not tell where packets end.",
                restore: "None, it blocks.")
        case .pathOnlyObject:
            Entry(
                .block, "path-only descriptor of something without a name",
                "What O_PATH gave is had again by its path; of what has lost its name, only regular files and directories "
                    + "can be made again.",
                kernel:
                    "O_PATH gives a place without opening it, and of a pipe, a socket or a deleted link there is "
                    + "no path to give again.",
                restore: "None, it blocks.")
        case .directoryWatch:
            Entry(
                .block, "directory watched by fcntl(2)",
                "Watches of F_NOTIFY are not carried; let the program use inotify(7), or close the directory.",
                kernel: "Which events a directory is watched for can be set and not be read.",
                restore: "None, it blocks. Only the frozen tree shows it.")
        case .signalOwner:
            Entry(
                .block, "signals of a file that go out of the tree",
                "The owner that F_SETOWN has set is no process of the tree, and its number may be somebody else's at "
                    + "the restore.",
                kernel:
                    "SIGIO and SIGURG go to a process or group by number, which fcntl(2) tells whoever has the "
                    + "descriptor.",
                restore: "None, it blocks. Only the frozen tree shows it.")
        case .memfd:
            Entry(
                .block, "memory file that cannot be made again", criu: "memfd",
                "A task runs it as its program, or it is of a kind that nobody but the program can read "
                    + "(memfd_secret); start the program from a file, or close the memory file.",
                kernel: "The kernel lets a program file be open for writing by nobody, and takes pages of "
                    + "memfd_secret(2) out of its own map.",
                restore: "None, it blocks. Other memory files are carried.")
        case .epoll:
            Entry(
                .block, "epoll set that watches a file nobody has open", criu: "eventpoll",
                "The file was closed in the tree and lives by another process or by a message on its "
                    + "way, so there is nothing to watch at restore; remove it from the set before "
                    + "closing it.",
                kernel:
                    "A set refers to open files, not to numbers. What was added through a descriptor that "
                    + "is closed since stays in the set as long as anybody has the file open.",
                restore: "None, it blocks. Of the members that are carried, one that is edge-triggered "
                    + "reports once more what is ready.")
        case .inotify:
            Entry(
                .block, "inotify watch of a file that cannot be found again", criu: "inotify, force-irmap",
                remedy: "allow: {fsnotify: drop}",
                "The watched file was deleted, or its file system gives no handle that leads back to it, "
                    + "so there is nothing to watch at restore.",
                kernel:
                    "A watch is on an inode, shown as a file handle. The handle can be opened only on a mount of "
                    + "that file system, and only while the file has a name.",
                restore:
                    "drop: the instance comes back without that watch, and its number never has an event. "
                    + "Other watches are added again by handle or path, with their numbers.")
        case .fanotify:
            Entry(
                .block, "fanotify mark of a file or mount that cannot be found again",
                criu: "fanotify, force-irmap", remedy: "allow: {fsnotify: drop}",
                "The marked file was deleted, or its file system gives no handle that leads back to it, "
                    + "so there is nothing to mark at restore.",
                kernel: "A mark is on an inode or a mount, shown as a file handle or the id of the mount.",
                restore: "drop: the group comes back without that mark.")
        case .pidFD:
            Entry(
                .block, "pidfd of a process outside the tree", criu: "pidfd",
                "It refers to a process that is not restored with the tree and need not be there then; "
                    + "close it, or let the policy select that process too.",
                kernel: "It refers to one process, by more than a number, and only pidfd_open(2) on that "
                    + "process gives another.",
                restore: "None, it blocks. Processes of the tree and ended ones are carried.")
        case .namespaceFD:
            Entry(
                .block, "descriptor of a namespace", criu: "ns",
                "The namespace is found again by a process of the tree that is in it, and here is none; close the descriptor, or "
                    + "dump a tree in which somebody is.",
                kernel: "It keeps a namespace alive that may have no process left in it.",
                restore: "None, it blocks. Of the tree's own namespaces descriptors are carried.")
        case .ioURing:
            Entry(
                .block, "io_uring",
                "The requests and buffers of an io_uring live in the kernel and nothing can read them "
                    + "back; most libraries have a switch, such as UV_USE_IO_URING=0.",
                kernel: "Rings are shared memory with the kernel, and requests under way are nowhere but in "
                    + "the kernel's own structures.",
                restore: "None, it blocks.")
        case .perfEvent:
            Entry(
                .block, "performance counter",
                "The state of a counter cannot be put back; end the profiler (perf record -p, say), or switch the "
                    + "program's own counters off.",
                kernel: "perf_event_open(2) can set what is counted and cannot set a count.",
                restore: "None, it blocks.")
        case .userfaultFD:
            Entry(
                .block, "userfaultfd",
                "Page faults would wait for a handler that is not restored; end the handler first, or switch it "
                    + "off, as vm.unprivileged_userfaultfd=0 does for most programs.",
                kernel: "Faults that wait belong to the open file, and the addresses are registered with it.",
                restore: "None, it blocks.")
        case .bpf:
            Entry(
                .block, "bpf object",
                "Programs and maps of bpf live in the kernel and cannot be read back in full; detach them before "
                    + "the dump, and load them again after the restore.",
                kernel: "A loaded program was checked and rewritten by the kernel, and maps may be pinned, "
                    + "shared or attached elsewhere.",
                restore: "None, it blocks.")
        case .anonymousInode:
            Entry(
                .block, "kernel object without a path",
                "This build does not know how to read and make again what is behind it.",
                kernel:
                    "anon_inode files are made by a call of their own each, and only the kernel's code for "
                    + "the kind knows its state.",
                restore: "None, it blocks.")
        case .unreadEvents:
            Entry(
                .block, "events of inotify or fanotify that nobody has read", criu: "inotify, fanotify",
                "They cannot be read without taking them away, nor put into a new instance; dump when the "
                    + "program has read them.",
                kernel:
                    "The queue belongs to the instance. FIONREAD tells its size, only read(2) what is in it, "
                    + "and there is no call that adds an event.",
                restore: "None, it blocks. CRIU drops them.")
        case .fanotifyMark:
            Entry(
                .block, "fanotify group with marks that this build does not carry", criu: "fanotify",
                "It marks a whole file system or namespace, or is asked for permission; end the listener "
                    + "before the dump and start it after.",
                kernel:
                    "CRIU's format knows marks of files and mounts. Who opens a file of a group that is asked "
                    + "for permission waits for its answer, and so would a dump of the frozen listener.",
                restore: "None, it blocks.")
        case .unknownFile:
            Entry(
                .block, "descriptor of an unknown kind",
                "This build does not know what it is, so it will not pretend to carry it.",
                kernel:
                    "None of the kinds that this build recognises fits what /proc/PID/fd and fdinfo show.",
                restore: "None, it blocks.")
        case .fileGoesOn:
            Entry(
                .block, "file that the tree goes on changing", remedy: "dump: {filesystem: hook}",
                "After leave-running the program changes the file further, and a restore would find it newer "
                    + "than the memory; let a hook at the frozen stage take a snapshot, or say unsafe-ignore if "
                    + "that does no harm.",
                kernel:
                    "Memory and files are kept in different places, and stopping a program stops neither the disk nor what others write.",
                restore:
                    "The files must be as they were at the moment of the pause; else the program may read what it has not written yet."
            )
        default: nil
        }
    }
}
