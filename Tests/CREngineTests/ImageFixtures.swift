import Foundation
import Glibc

@testable import CREngine

/// A directory that goes away with its owner.
struct TemporaryDirectory: ~Copyable {
    let path: String

    init() throws {
        var template = Array((NSTemporaryDirectory() + "/crplan-images-XXXXXX").utf8CString)
        path = try template.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress, let made = mkdtemp(start) else {
                throw Errno(rawValue: Glibc.errno)
            }
            return String(cString: made)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The directory as a descriptor.
    borrowing func open() throws -> OwnedFD { try OwnedFD.open(path, O_RDONLY | O_DIRECTORY) }

    borrowing func contents(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
    }

    borrowing func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    }

    borrowing func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }
}

/// A tree with something in every field that the format has.
enum RichTree {
    static func make() -> TreeImage {
        var inventory = InventoryImage(
            rootIDs: KernelObjectIDs(), runID: "0d9d0d0e-3f0a-4f3c-9f0e-0d0c0b0a0908")
        inventory.lsmType = 2
        inventory.networkLockMethod = 0
        inventory.tcpClose = true
        inventory.allowUprobes = false
        inventory.plugins = ["amdgpu_plugin", "cuda_plugin"]
        var tree = TreeImage(inventory: inventory, tasks: [root(), zombie(), stoppedChild()], files: files())
        tree.remaps = [
            RemapImage(file: 2, target: 0x1f, kind: .ghost), RemapImage(file: 3, target: 4, kind: .linked),
            RemapImage(file: 4, target: 77, kind: .procfs),
        ]
        tree.ghosts = [ghost()]
        tree.pipeData = [
            PipeDataImage(pipe: 900, bytes: Array("unread".utf8), capacity: 65536),
            PipeDataImage(pipe: 901, bytes: [], capacity: nil),
        ]
        tree.fifoData = [PipeDataImage(pipe: 902, bytes: [0, 1, 2], capacity: 4096)]
        tree.socketPackets = packets()
        tree.memfds = [memfd()]
        tree.fileLocks = [
            FileLockImage(kind: .posix, type: 1, pid: PID(100), fd: 4, start: 5, length: 10),
            FileLockImage(kind: .lease, type: 0, pid: PID(103), fd: 3, start: 0, length: 0),
        ]
        var segment = PagemapImage()
        segment.pagesID = 2
        segment.extents = [PagemapImage.Extent(address: 0, pages: 1, flags: PagemapImage.Extent.present)]
        tree.sharedMemory = [SharedMemoryImage(shmid: 1024, pages: segment)]
        tree.cgroups = cgroups()
        tree.seccompFilters = [
            SeccompFilterImage(program: [6, 0, 0, 0, 0, 0, 0xff, 0x7f], next: nil, flags: nil),
            SeccompFilterImage(program: [6, 0, 0, 0, 0, 0, 0xff, 0x7f], next: 0, flags: 1),
        ]
        var clocks = ClockImage()
        clocks.monotonicSeconds = 12
        clocks.monotonicNanoseconds = 34
        clocks.boottimeSeconds = 56
        clocks.boottimeNanoseconds = 999_999_999
        tree.clocks = clocks
        return tree
    }

    /// A deleted file of two chunks with a hole between them.
    static func ghost() -> GhostImage {
        var ghost = GhostImage(number: 0x1f, uid: 1, gid: 2, mode: 0o100640, size: 100_000)
        ghost.device = 0xfe00000
        ghost.inode = 1 << 40
        ghost.accessSeconds = 1_700_000_000
        ghost.accessMicroseconds = 5
        ghost.modifySeconds = 1_700_000_001
        ghost.modifyMicroseconds = 6
        ghost.attributes = [ExtendedAttribute(name: Array("user.a".utf8), value: [0, 255])]
        return ghost
    }

    /// A full XSAVE area of this CPU with every component that images can hold in use.
    static func xsave(seed: UInt8) -> [UInt8] {
        let layout = XSAVELayout.host()
        var area = [UInt8](repeating: 0, count: layout.size)
        func fill(_ range: Range<Int>) {
            for index in range { area[index] = UInt8(truncatingIfNeeded: index &* 7) &+ seed }
        }
        fill(0..<4)
        fill(4..<5)
        fill(6..<416)
        var inUse: UInt64 = 3
        for (number, component) in layout.components where [2, 3, 4, 5, 6, 7, 9].contains(number) {
            fill(component.offset..<component.offset + component.size)
            inUse |= 1 << UInt64(number)
        }
        for byte in 0..<8 {
            area[464 + byte] = UInt8(truncatingIfNeeded: layout.mask >> (8 * UInt64(byte)))
            area[512 + byte] = UInt8(truncatingIfNeeded: inUse >> (8 * UInt64(byte)))
        }
        return area
    }

    private static func thread(_ tid: Int32, seed: UInt64) -> ThreadImage {
        var thread = ThreadImage(tid: TID(tid), comm: "worker-\(seed)")
        var registers = RegisterImage()
        registers.r15 = seed
        registers.ip = 0x7fff_0000_0000 + seed
        registers.cs = 0x33
        registers.origAx = .max
        registers.fsBase = .max - seed
        registers.gs = seed + 1
        thread.registers = registers
        thread.xsave = xsave(seed: UInt8(truncatingIfNeeded: seed))
        thread.clearTIDAddress = 0x1000
        thread.robustList = 0x2000
        thread.robustListLength = 24
        thread.signalMask = 1 << 63 | seed
        thread.alternateStack.pointer = 0x3000
        thread.alternateStack.size = 8192
        thread.alternateStack.flags = 0
        thread.nice = -7
        thread.schedulingPolicy = 1
        thread.schedulingPriority = 50
        thread.parentDeathSignal = 15
        thread.pendingSignals = [[UInt8](repeating: UInt8(truncatingIfNeeded: seed), count: 128)]
        var credentials = CredentialsImage()
        credentials.uid = 1000
        credentials.fsgid = 1001
        credentials.permitted = 0x1ff_ffff_ffff
        credentials.ambient = 1 << 40 | 1
        credentials.securebits = 0x2f
        credentials.groups = [4, 24, 27]
        credentials.noNewPrivileges = true
        credentials.securityProfile = "unconfined"
        thread.credentials = credentials
        var rseq = RseqImage(pointer: 0x4000, size: 32, signature: 0x5305_3053)
        rseq.criticalSection = 0x5000
        thread.rseq = rseq
        thread.cgroupSet = 2
        thread.seccompMode = 2
        thread.seccompFilter = 1
        thread.affinity = [0b11, 1 << 63]
        thread.commBytes = [0x61, 0xff]
        thread.timerSlack = 50_001
        thread.ioPriority = 0x4007
        thread.slice = 700_000
        return thread
    }

    private static func root() -> TaskImage {
        var task = TaskImage(
            pid: PID(100), parent: PID(0), pgid: PID(100), sid: PID(100), state: .alive,
            threads: [thread(100, seed: 1), thread(101, seed: 2), thread(107, seed: 3)])
        var process = ProcessImage()
        process.personality = 40000
        process.flags = 0x400000
        process.realTimer.intervalSeconds = 5
        process.profilingTimer.valueMicroseconds = 999_999
        var timer = PosixTimerImage()
        timer.id = 3
        timer.sigval = .max
        timer.valueNanoseconds = 1
        timer.notifyThread = 101
        process.posixTimers = [timer]
        process.limits = (0..<16).map { LimitImage(soft: $0, hard: .max) }
        process.signalActions = (UInt64(0)..<62).map { number in
            var action = SignalActionImage()
            action.handler = number
            action.flags = 0x0400_0000
            action.restorer = 0x9000
            action.mask = 1 << number
            return action
        }
        process.pendingSignals = [[UInt8](repeating: 9, count: 128), [UInt8](repeating: 10, count: 128)]
        process.oomScoreAdjust = -500
        process.childSubreaper = true
        process.membarrierRegistrations = 0x15
        task.process = process
        var ids = KernelObjectIDs()
        ids.files = 2
        ids.timeNS = nil
        task.ids = ids
        task.memory = memory(pagesID: 1)
        task.fs = FilesystemImage(cwdFile: 5, rootFile: 5, umask: 0o22)
        task.descriptors = [
            DescriptorImage(fd: 0, file: 2, flags: 0), DescriptorImage(fd: 3, file: 6, flags: 1),
            DescriptorImage(fd: 4, file: 7, flags: 0), DescriptorImage(fd: 1000, file: 8, flags: 0),
        ]
        return task
    }

    private static func zombie() -> TaskImage {
        TaskImage(
            pid: PID(102), parent: PID(100), pgid: PID(100), sid: PID(100), state: .dead(status: 0x700),
            threads: [ThreadImage(tid: TID(102), comm: "gone")])
    }

    /// Shares the descriptor table of the root.
    private static func stoppedChild() -> TaskImage {
        var task = root()
        task.pid = PID(103)
        task.parent = PID(100)
        task.state = .stopped(signal: 20)
        task.threads = [thread(103, seed: 9)]
        task.memory = memory(pagesID: 3)
        task.threads[0].rseq = nil
        task.threads[0].affinity = []
        return task
    }

    private static func memory(pagesID: UInt32) -> MemoryImage {
        var memory = MemoryImage()
        memory.startCode = 0x40_0000
        memory.envEnd = 0x7fff_ffff_f000
        memory.exeFile = 1
        memory.auxv = [33, 0x7fff_0000, 0, 0]
        var text = AreaImage(
            start: 0x40_0000, end: 0x40_2000, protection: 5, flags: 2, status: [.regular, .filePrivate])
        text.backing = 1
        text.openMode = 0
        var heap = AreaImage(
            start: 0x50_0000, end: 0x51_0000, protection: 3, flags: 0x22,
            status: [.regular, .anonymousPrivate, .heap])
        heap.advice = 1 << 16
        let more = AreaImage(
            start: 0x51_0000, end: 0x52_0000, protection: 1, flags: 0x22,
            status: [.regular, .anonymousPrivate])
        memory.areas = [text, heap, more]
        memory.dumpable = 1
        memory.thpDisabled = false
        memory.aioRings = [AsyncRingImage(address: 0x6000, requests: 63, length: 4096)]
        memory.pages.pagesID = pagesID
        memory.pages.extents = [
            PagemapImage.Extent(address: 0x40_1000, pages: 1, flags: 4),
            PagemapImage.Extent(address: 0x50_f000, pages: 2, flags: 6),
        ]
        return memory
    }

    private static func files() -> [FileImage] {
        var exe = RegularFileImage(path: "/usr/bin/exe")
        exe.size = 4096
        exe.mode = 0o100755
        exe.buildID = [1, 2, 3, 4, 5]
        var log = RegularFileImage(path: "/var/log/größe.log")
        log.flags = 0x8401
        log.position = .max
        log.owner.uid = 3
        log.owner.pid = 100
        log.owner.kind = 1
        log.mountID = -1
        log.isExternal = false
        var memfd = MemfdFileImage(flags: 0x8002, inodeID: 1)
        memfd.position = 17
        return [
            FileImage(id: 1, content: .regular(exe)), FileImage(id: 2, content: .regular(log)),
            FileImage(id: 3, content: .regular(RegularFileImage(path: "/tmp/name"))),
            FileImage(id: 4, content: .regular(RegularFileImage(path: "/tmp/link_remap.4"))),
            FileImage(id: 5, content: .regular(RegularFileImage(path: "/"))),
            FileImage(id: 6, content: .pipe(PipeImage(pipe: 900, flags: 1))),
            FileImage(id: 7, content: .fifo(FifoImage(pipe: 902, regularFile: 3))),
            FileImage(id: 8, content: .memfd(memfd)),
        ] + events()
    }

    /// One of each kind of event object, with all that CRIU's format and `FileExtras` hold.
    private static func events() -> [FileImage] {
        var counter = EventFDImage(flags: 0x802, count: .max - 1)
        counter.isSemaphore = true
        var timer = TimerFDImage(flags: 2, clock: 0)
        timer.ticks = 3
        timer.setFlags = 3
        (timer.valueSeconds, timer.valueNanoseconds) = (4, 5)
        (timer.intervalSeconds, timer.intervalNanoseconds) = (6, 7)
        timer.wallTime = 1_800_000_000_000_000_001
        var ended = ProcessFDImage(flags: 0x800, target: -1, inode: 4_000_000_000)
        ended.endStatus = 0x700
        ended.owner.pid = 100
        var epoll = EpollImage(flags: 2)
        var target = EpollImage.Target(fd: 4, events: 0x8000_0001, data: .max)
        (target.device, target.inode, target.position) = (0xf, 900, 0)
        epoll.targets = [target, EpollImage.Target(fd: 3, events: 0x19, data: 3)]
        epoll.targets[1].addedAs = 9
        epoll.targets[1].file = 7
        epoll.busyPolling = 0x0001_0008_0000_0064
        var handle = FileHandleImage(type: 1, bytes: [1, 2, 3, 4, 5, 6, 7, 8, 9])
        var inotify = InotifyImage(flags: 0x800)
        inotify.watches = [
            .init(number: 1, inode: 5, device: 0xfe0_0000, mask: 0x8000_0100, handle: handle)
        ]
        handle.path = "/etc"
        handle.mountID = 27
        inotify.watches.append(
            .init(number: 70_000, inode: 6, device: 0xfe0_0001, mask: 2, handle: handle))
        var fanotify = FanotifyImage(flags: 2, groupFlags: 0x200, eventFlags: 0x8002)
        fanotify.marks = [
            .init(place: .inode(5, handle), flags: 0x40, mask: 0x22, ignoredMask: 2, device: 0xfe0_0000),
            .init(place: .mount(27, path: "/"), flags: 0, mask: 0x22, ignoredMask: 0, device: 0),
        ]
        let contents: [FileImage.Content] = [
            .eventFD(counter), .signalFD(SignalFDImage(flags: 2, mask: 0x200)), .timerFD(timer),
            .processFD(ended), .epoll(epoll), .inotify(inotify), .fanotify(fanotify),
            .unixSocket(unixSocket()),
        ]
        return contents.enumerated().map { FileImage(id: UInt32(9 + $0.offset), content: $0.element) }
    }

    private static func unixSocket() -> UnixSocketImage {
        var socket = UnixSocketImage(inode: 77, type: 1, state: 10, flags: 0x802)
        socket.special = 1
        socket.backlog = 5
        socket.peer = 78
        socket.owner.pid = 200
        socket.name = Array("run/server".utf8) + [0]
        socket.shutdown = 3
        socket.permissions = .init(mode: 0o140600, uid: 33, gid: 44)
        socket.directory = "/var"
        socket.isDeleted = true
        socket.networkNamespace = 2
        socket.mountID = -1
        socket.options.sendBuffer = 212992
        socket.options.receiveTimeout.microseconds = 250_000
        socket.options.passesCredentials = true
        socket.options.filter = [0x0006_0000_0000_0001]
        socket.options.linger = 3
        socket.options.boundDevice = "lo"
        socket.options.bufferLocks = 1
        socket.peerCredentials = SocketCredentialsImage(pid: 200, uid: 1000, gid: 1000)
        socket.isReset = true
        socket.peerIsGone = true
        socket.waiting = [79, 80]
        return socket
    }

    private static func packets() -> [SocketPacketImage] {
        var packet = SocketPacketImage(receiver: 16, bytes: [1, 2, 3])
        packet.rights = [6, 8]
        packet.credentials = SocketCredentialsImage(pid: 200, uid: 1, gid: 2)
        packet.sender = [0, 0x61]
        return [packet, SocketPacketImage(receiver: 16, bytes: [])]
    }

    private static func memfd() -> MemfdInodeImage {
        var inode = MemfdInodeImage(inodeID: 1, name: "cache", size: 8192, shmid: 1024)
        inode.uid = 1000
        inode.seals = 0xf
        inode.hugetlbFlag = 0x5400_0004
        inode.mode = 0o100777
        return inode
    }

    private static func cgroups() -> CgroupImage {
        var member = CgroupImage.Member(hierarchy: "", path: "/user.slice/a")
        member.namespacePrefix = 11
        var image = CgroupImage(sets: [
            CgroupImage.MembershipSet(id: 1, members: [CgroupImage.Member(hierarchy: "", path: "/")]),
            CgroupImage.MembershipSet(id: 2, members: [member]),
        ])
        var inner = CgroupImage.Directory(name: "b")
        inner.permissions = CgroupImage.Permissions(mode: 0o40755, uid: 0, gid: 5)
        var outer = CgroupImage.Directory(name: "user.slice/a")
        outer.children = [inner]
        outer.properties = [
            CgroupImage.Property(name: "memory.max", value: "max", permissions: inner.permissions)
        ]
        var controller = CgroupImage.Controller(names: [""], directories: [outer])
        controller.isThreaded = false
        image.controllers = [controller]
        return image
    }
}
