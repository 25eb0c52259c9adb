extension FindingCode {
    /// CRP5xx: memory and devices. Nil for every other code.
    var memoryEntry: Entry? {
        switch self {
        case .device:
            Entry(
                .block, "device", criu: "external", remedy: "allow: {external: [\"dev[MAJOR/MINOR]:NAME\"]}",
                "Its driver keeps state for this open file that no image can hold. If the program needs none of it, "
                    + "it can be opened anew by the restore, or handed over by whoever restores (file[MNT:INO]); else "
                    + "close it before the dump.",
                kernel:
                    "No general call reads or sets what a driver keeps for an open file. Memory devices keep "
                    + "nothing but an offset and are carried: null, zero, full, random, urandom, mem, port, and "
                    + "kmsg where it is not read. So are terminals.",
                restore:
                    "dev: the path is opened again, with the flags and the offset of before, if it is the same device "
                    + "still, or what --external dev[NAME]:PATH names. file: restore.inherit-fd or --inherit-fd names "
                    + "a descriptor of the device. What the driver had for the old one is lost.")
        case .gpu:
            Entry(
                .block, "graphics device",
                "Memory and contexts of a graphics device are outside the reach of this build; let the "
                    + "program save its own state (for CUDA, cuda-checkpoint) and close the device, or run it "
                    + "on the processor, with CUDA_VISIBLE_DEVICES= say.",
                kernel: "Contexts, queues and memory are in the driver and on the card.",
                restore: "None, it blocks.")
        case .kvm:
            Entry(
                .block, "virtual machine device",
                "The state of a virtual machine is in the kernel; use the machine monitor's own checkpoint, "
                    + "savevm of QEMU or virsh save.",
                kernel: "Registers and memory of virtual processors, interrupt controllers and timers are in "
                    + "the kernel and belong to this open file.",
                restore: "None, it blocks.")
        case .infiniband:
            Entry(
                .block, "InfiniBand device",
                "Queues and registered memory of RDMA are in the adapter; let the library use sockets "
                    + "(UCX_TLS=tcp, NCCL_IB_DISABLE=1, or the tcp transport of MPI), or end the communication "
                    + "before the dump.",
                kernel: "Queue pairs, keys and pinned pages belong to this open file, and the adapter moves "
                    + "bytes whether or not the program is stopped.",
                restore: "None, it blocks.")
        case .fuse:
            Entry(
                .block, "fuse connection",
                "The task serves a file system, and whoever uses that would hang while the task is "
                    + "frozen.",
                kernel:
                    "Requests of other processes wait in the kernel for an answer through this open file.",
                restore: "None, it blocks.")
        case .deviceMapping:
            Entry(
                .block, "mapped device memory",
                "What is behind the mapping is a device, whose memory no image can hold.",
                kernel: "Pages of a device are not memory: reading them may have effects, and what they show "
                    + "is the device's.",
                restore: "None, it blocks.")
        case .hugeTLB:
            Entry(
                .block, "mapped file of a hugetlbfs",
                "This build carries huge pages (hugetlb) of anonymous memory, of memfd_create(2) and of System V "
                    + "segments, and no file of a mounted hugetlbfs; map memory of those kinds in its place.",
                kernel:
                    "Huge pages are reserved in a pool of their own, by size, and must be free at restore.",
                restore: "None today, it blocks.")
        case .aio:
            Entry(
                .block, "ring of io_setup(2) with requests under way",
                "Requests under way in an AIO ring cannot be carried; a dump waits two seconds for them, and those "
                    + "that wait for readiness (IOCB_CMD_POLL) may never end. Most programs have a switch, such as "
                    + "innodb_use_native_aio=0 of MySQL or aio=threads of QEMU.",
                kernel:
                    "io_setup(2) gives a ring whose address is its id, and requests under way are nowhere "
                    + "but in the kernel; only a program of bpf(2) can count them, which needs CAP_BPF, CAP_PERFMON "
                    + "and a kernel with CONFIG_DEBUG_INFO_BTF.",
                restore: "The ring comes back at its address with the events that wait in it.")
        case .systemV:
            Entry(
                .block, "System V shared memory that a process outside the tree maps too",
                "After a restore its contents would change under the other process; checkpoint both sides "
                    + "as one tree, or end the other.",
                kernel: "A segment has a key and an id in the ipc namespace, may be attached by any process, "
                    + "and stays when all are gone. The kernel counts its mappings.",
                restore: "None, it blocks. A segment that only the tree maps is carried under its id and key."
            )
        case .ipcOutside:
            Entry(
                .block, "semaphores or messages that a process outside the tree uses too",
                "A living process outside the tree used them last, and a restore would put values and messages "
                    + "back under it; checkpoint both sides as one tree, or end the other.",
                kernel:
                    "Semaphore sets and message queues have a key and an id in the ipc namespace and are open "
                    + "to any process; the kernel knows only who used them last.",
                restore: "None, it blocks. What only the tree used is carried under its id and key.")
        case .semaphoreUndo:
            Entry(
                .block, "adjustments of semaphores shared or kept apart by clone(2)",
                "The thread was made with or without CLONE_SYSVSEM where others are not, so its list for SEM_UNDO is "
                    + "not that of its process alone; make threads with pthread_create(3) and processes with fork(2).",
                kernel:
                    "semop(2) with SEM_UNDO adds to a list that is applied when the last who shares it ends.",
                restore: "None, it blocks. Adjustments of a process are carried.")
        case .sealedMapping:
            Entry(
                .block, "sealed vdso",
                "The kernel seals the vdso of every program (CONFIG_MSEAL_SYSTEM_MAPPINGS), which a restore has to "
                    + "move to its old place; use a kernel that does not.",
                kernel:
                    "From mseal(2) on neither munmap, mremap, mprotect nor mmap over it is permitted, for "
                    + "good.",
                restore: "None, it blocks. Mappings that the program sealed are carried and sealed again.")
        case .shadowStack:
            Entry(
                .block, "shadow stack",
                "This build does not carry shadow stacks; start the program without "
                    + "(GLIBC_TUNABLES=glibc.cpu.x86_shstk=off).",
                kernel: "Return addresses are kept a second time where plain writes fault, and only the task "
                    + "itself can write there.",
                restore: "None, it blocks.")
        case .userfaultMapping:
            Entry(
                .block, "mapping registered with a userfaultfd",
                "Its page faults wait for a handler that is not restored.",
                kernel: "A missing page stops the thread until the handler gives one, so reading the memory "
                    + "from outside may wait for ever.",
                restore: "None, it blocks.")
        case .uprobes:
            Entry(
                .block, "page of user probes",
                "Somebody traces the program with uprobes; end the trace first.",
                kernel:
                    "The kernel has put break points into the text of the program and a page beside it for "
                    + "the instructions replaced.",
                restore: "None, it blocks.")
        case .socketMapping:
            Entry(
                .block, "mapped socket ring", "This build does not carry packet rings.",
                kernel: "A ring of packet(7) is memory that the kernel writes to as packets come.",
                restore: "None, it blocks.")
        case .unknownMapping:
            Entry(
                .block, "mapping of an unknown kind", "This build does not know what is behind it.",
                kernel: "Nothing in maps and smaps tells what is behind the area.",
                restore: "None, it blocks.")
        case .unknownAreaFlag:
            Entry(
                .block, "mapping with a flag that this build does not know",
                "The kernel is newer than this build and gives the mapping a property that would be "
                    + "lost.",
                kernel:
                    "VmFlags of /proc/PID/smaps names properties by two letters, and a new kernel has new "
                    + "ones.",
                restore: "None, it blocks.")
        case .areasNotExamined:
            Entry(
                .info, "process with very many mappings",
                "Its mappings are looked at in detail only when it is frozen, because that look would "
                    + "slow it down.",
                kernel: "smaps walks the page tables of every area, which takes long for very many.",
                restore: "None.")
        case .sharedMemoryOutside:
            Entry(
                .block, "shared memory that a process outside the tree maps too",
                "After a restore each side would have memory of its own; checkpoint both sides as one "
                    + "tree.",
                kernel: "Shared anonymous memory and deleted files have no name; both sides hold one inode "
                    + "that a restore can make again only for one of them.",
                restore: "None, it blocks.")
        case .protectionKey:
            Entry(
                .block, "mapping with a protection key",
                "This build does not take keys of pkey_alloc(2) again yet, and without its key the memory "
                    + "would be open to code that must not touch it.",
                kernel: "A key is allotted to the process by pkey_alloc(2), and what each thread may do with "
                    + "it is in its PKRU register.",
                restore: "None today, it blocks.")
        case .watchdogDevice:
            Entry(
                .block, "hardware watchdog",
                "The machine reboots when the task does not write to it in time, and neither a pause nor a "
                    + "kill lets it write; stop the watchdog and close the device first.",
                kernel:
                    "A driver counts down in hardware and only a write to the open file winds it up again.",
                restore: "None, it blocks.")
        case .memoryPolicy:
            Entry(
                .info, "memory bound to nodes",
                "On a machine of several nodes, where memory comes from was chosen by mbind(2) or "
                    + "set_mempolicy(2); a machine that lacks the nodes cannot restore it.",
                kernel: "The choice is kept with the area or the thread, and no page tells it.",
                restore:
                    "It is made again before the memory is filled; a node that is missing is refused by number."
            )
        default: nil
        }
    }
}
