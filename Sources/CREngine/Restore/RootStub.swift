import CPlatform
import Glibc

/// Makes the first stub of a tree and empties it: no memory but vdso, vvar and scratch, no descriptors but one.
enum RootStub {
    static let options =
        CP_PTRACE_O_TRACESYSGOOD | CP_PTRACE_O_TRACECLONE | CP_PTRACE_O_TRACEFORK | CP_PTRACE_O_TRACEVFORK

    /// A process that has been started: it lives as long as `keep`, until it is traced.
    struct Started: ~Copyable {
        var keep: OwnedFD
        /// As we see it.
        var pid: PID
    }

    /// Starts the process, in our session or in one made anew whose leader has ended, and as the first of new
    /// namespaces, or in a pid namespace that we have a descriptor of. From here on it has to be killed when anything fails.
    static func start(
        _ pid: PID, session: PID?, namespaces: Set<NamespaceKind>, pidNamespace: Int32? = nil,
        parent: RestoreOptions.Parent
    ) throws(RestoreError) -> Started {
        let kind =
            switch parent {
            case .detached: CP_STUB_ORPHAN
            case .caller: CP_STUB_CHILD
            case .sibling: CP_STUB_SIBLING
            }
        var keep: Int32 = -1
        let flags = namespaces.reduce(0) { $0 | $1.cloneFlag }
        let result = cp_stub_start(
            pid.rawValue, session?.rawValue ?? 0, flags, pidNamespace ?? -1, Int32(kind), &keep)
        if result < 0 {
            let errno = Errno(rawValue: -result)
            throw RestoreError(
                "task \(pid)", "cannot be made with its old id", errno: errno,
                remedy: errno == .exists
                    ? "end whoever has this id, or wait for it"
                    : errno == .perm
                        ? "run as root or with CAP_CHECKPOINT_RESTORE"
                        : errno == .notSupported
                            ? "restore without --restore-sibling: the leader of its session has ended" : nil)
        }
        return Started(keep: OwnedFD(taking: keep), pid: PID(result))
    }

    /// Seizes the started process, so that it dies with us, and empties it. `inheritance`: the descriptor that it
    /// keeps of ours, see `LenderAtBirth`.
    static func seize(
        _ pid: PID, layout: StubLayout, vdso: OwnVDSO, inheritance: Int32, lender: Int32
    ) throws(RestoreError) -> StubThread {
        let tid = pid.leader
        let template = try RestoreError.about("task \(pid)", "its stub cannot be traced") {
            () throws(Errno) -> RegisterImage in
            try Ptrace.seize(tid, options: options | CP_PTRACE_O_EXITKILL)
            try Ptrace.interrupt(tid)
            while true {
                let status = try Wait.one(tid)
                if status.isEnd { throw .noProcess }
                if status == .interruptStop { break }
                try Ptrace.resume(tid)
            }
            try Ptrace.setSignalMask(tid, .max)
            return try Ptrace.registers(tid)
        }
        let oldGadget = RemoteAddress(vdso.code.start + UInt64(vdso.gadgetOffset))
        var stub = StubThread(tid: tid, scratch: layout.scratch, gadget: oldGadget, template: template)
        try forgetRseq(stub)
        try unmapAll(stub, keeping: vdso)
        for (piece, place) in zip(vdso.pieces, layout.parking) {
            try VDSOMove.move(&stub, piece, to: place, vdso: vdso)
        }
        try stub.call(
            "mmap", CP_SYS_mmap, Int(layout.scratch.rawValue), StubLayout.scratchSize, 3, 0x10_0022, -1, 0)
        try CallList.mapCode(stub)
        try forgetOwnSignals(stub)
        try keepLender(stub, inheritance, at: lender)
        return stub
    }

    /// The kernel would go on writing to the registered area after the memory is gone, and kill the task.
    private static func forgetRseq(_ stub: StubThread) throws(RestoreError) {
        let registration = try RestoreError.about("task \(stub.tid)", "its rseq area cannot be read") {
            () throws(Errno) in try Ptrace.rseq(stub.tid)
        }
        guard let registration else { return }
        try stub.call(
            "rseq", CP_SYS_rseq, Int(registration.pointer), Int(registration.size), 1,
            Int(registration.signature))
    }

    /// What a copy of us has and the program may not have: our alternate stack, the signals that we ignore, our
    /// personality. The whole tree inherits this from the root.
    private static func forgetOwnSignals(_ stub: StubThread) throws(RestoreError) {
        let disabled: UInt64 = 2
        let stack = try stub.put((UInt64(0), disabled, UInt64(0)))
        try stub.call("sigaltstack", CP_SYS_sigaltstack, stack, 0)
        let status = try RestoreError.about("task \(stub.tid)", "its status cannot be read") {
            () throws(Errno) in
            try ProcText.read("/proc/\(stub.tid)/status")
        }
        let ignored = ProcText.statusValue(status, "SigIgn").flatMap { UInt64($0, radix: 16) } ?? 0
        for signal in 1...64 where ignored >> UInt64(signal - 1) & 1 == 1 {
            let action = try stub.put(cp_kernel_sigaction())
            try stub.call("rt_sigaction", CP_SYS_rt_sigaction, signal, action, 0, 8)
        }
        try stub.call("personality", CP_SYS_personality, 0)
    }

    private static func unmapAll(_ stub: StubThread, keeping vdso: OwnVDSO) throws(RestoreError) {
        var start: UInt64 = 0
        let end: UInt64 = 0x7fff_ffff_f000
        for piece in vdso.pieces + [.init(start: end, end: end, isCode: false)] where piece.start >= start {
            if piece.start > start {
                try stub.call("munmap", CP_SYS_munmap, Int(start), Int(piece.start - start))
            }
            start = piece.end
        }
    }

    /// Leaves the stub, and by inheritance the whole tree, nothing open but one descriptor at the number `lender`, by
    /// which the tasks take the descriptors that we open for them.
    private static func keepLender(
        _ stub: StubThread, _ inheritance: Int32, at lender: Int32
    ) throws(RestoreError) {
        if inheritance != lender {
            try stub.call("dup3", CP_SYS_dup3, Int(inheritance), Int(lender), Int(O_CLOEXEC))
        }
        if lender > 0 { try stub.call("close_range", CP_SYS_close_range, 0, Int(lender) - 1, 0) }
        try stub.call("close_range", CP_SYS_close_range, Int(lender) + 1, Int(UInt32.max), 0)
    }
}

/// Moves pieces of vdso and vvar, and the thread's gadget with the code.
enum VDSOMove {
    /// Moves one whole piece; the kernel refuses parts. See mremap(2) and arch/x86/entry/vdso/vma.c.
    static func move(
        _ stub: inout StubThread, _ piece: OwnVDSO.Piece, to place: UInt64, vdso: OwnVDSO
    ) throws(RestoreError) {
        if piece.start == place { return }
        let mayMoveFixed = 3
        try stub.call(
            "mremap", CP_SYS_mremap, Int(piece.start), Int(piece.size), Int(piece.size), mayMoveFixed,
            Int(place))
        if piece.isCode { stub.gadget = RemoteAddress(place + UInt64(vdso.gadgetOffset)) }
    }
}
