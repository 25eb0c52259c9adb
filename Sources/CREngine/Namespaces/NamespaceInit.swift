import CPlatform
import Glibc

/// The first process of a pid namespace that a restore makes for a tree whose root has another number than 1.
///
/// It is a process as any other: a page of this program's own file that waits for all children, and a page of memory. So
/// the machinery of a restore makes it, and a dump takes it. See pid_namespaces(7).
struct NamespaceInit {
    /// Its comm, by which a dump knows it.
    static let name = "crplan-init"
    static let pid = PID(1)

    private let program: String
    /// Bytes into the file, and into the page at that place.
    private let page: UInt64
    private let entry: UInt64

    /// Finds the code in our own file.
    init() throws(RestoreError) {
        let text = try RestoreError.about("/proc/self/maps", "cannot be read") { () throws(Errno) in
            try ProcText.read("/proc/self/maps")
        }
        let code = UInt64(UInt(bitPattern: cp_namespace_init()))
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 5)
            let range = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard words.count == 6, range.count == 2, range[0] <= code, code < range[1],
                let offset = UInt64(words[2], radix: 16)
            else { continue }
            let size = UInt64(pageSize)
            program = String(words[5].drop { $0 == " " })
            page = offset + (code - range[0]) / size * size
            entry = code % size
            return
        }
        throw RestoreError("this program", "cannot be found in its own memory")
    }

    /// Its program, as a file of the tree's.
    func file(_ id: UInt32) -> FileImage {
        var image = RegularFileImage(path: program)
        image.position = .max
        return FileImage(id: id, content: .regular(image))
    }

    /// The process. Rights, limits and control groups are those of the tree's root, as it is to have no others.
    func task(
        waitingFor root: TaskImage, ids: KernelObjectIDs, program: UInt32, vdso: OwnVDSO
    ) -> TaskImage {
        var thread = ThreadImage(tid: Self.pid.leader, comm: Self.name)
        if let leader = root.threads.first {
            thread.credentials = leader.credentials
            thread.cgroupSet = leader.cgroupSet
        }
        thread.registers = registers(root.pid)
        var process = ProcessImage()
        process.signalActions = [SignalActionImage](repeating: SignalActionImage(), count: 62)
        process.limits = root.process?.limits ?? []
        process.loginuid = root.process?.loginuid
        process.oomScoreAdjust = root.process?.oomScoreAdjust
        var task = TaskImage(
            pid: Self.pid, parent: PID(0), pgid: Self.pid, sid: Self.pid, state: .alive, threads: [thread])
        task.process = process
        task.ids = ids
        task.memory = memory(program, vdso)
        task.fs = root.fs.map { FilesystemImage(cwdFile: $0.rootFile, rootFile: $0.rootFile, umask: 0o22) }
        return task
    }

    private static let code: UInt64 = 0x2_0000
    private static let stack = code + UInt64(pageSize)
    private static let end = stack + UInt64(pageSize)

    /// Segments and flags are those of any 64-bit program; what it waits for is in r12.
    private func registers(_ root: PID) -> RegisterImage {
        var registers = RegisterImage()
        registers.ip = Self.code + entry
        registers.sp = Self.end - 64
        registers.r12 = UInt64(root.rawValue)
        registers.cs = 0x33
        registers.ss = 0x2b
        registers.flags = 0x202
        return registers
    }

    private func memory(_ program: UInt32, _ vdso: OwnVDSO) -> MemoryImage {
        var memory = MemoryImage()
        let (read, write, execute, isPrivate, isAnonymous): (UInt32, UInt32, UInt32, UInt32, UInt32) =
            (1, 2, 4, 2, 0x20)
        var code = AreaImage(
            start: Self.code, end: Self.stack, protection: read | execute, flags: isPrivate,
            status: [.regular, .filePrivate])
        code.backing = UInt64(program)
        code.offset = page
        let stack = AreaImage(
            start: Self.stack, end: Self.end, protection: read | write, flags: isPrivate | isAnonymous,
            status: [.regular, .anonymousPrivate])
        // Where ours are.
        let kernel = vdso.pieces.map { piece in
            AreaImage(
                start: piece.start, end: piece.end, protection: piece.isCode ? read | execute : read,
                flags: isPrivate | isAnonymous, status: [.regular, piece.isCode ? .vdso : .vvar])
        }
        memory.areas = [code, stack] + kernel
        memory.startCode = Self.code
        memory.endCode = Self.stack
        memory.startData = Self.stack
        memory.endData = Self.stack
        memory.startStack = Self.end - 64
        memory.startBrk = Self.end
        memory.brk = Self.end
        for place in [\MemoryImage.argStart, \.argEnd, \.envStart, \.envEnd] {
            memory[keyPath: place] = Self.stack
        }
        memory.exeFile = program
        memory.dumpable = 1
        // No file of pages has this number: there is none to fill.
        memory.pages.pagesID = .max
        return memory
    }
}
