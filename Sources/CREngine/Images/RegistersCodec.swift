import CPlatform

// thread_info_x86 of core-TID.img.

extension RegisterImage {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<UserX86RegsEntry> {
        let message = arena.make(user_x86_regs_entry__init)
        message.pointee.r15 = r15
        message.pointee.r14 = r14
        message.pointee.r13 = r13
        message.pointee.r12 = r12
        message.pointee.bp = bp
        message.pointee.bx = bx
        message.pointee.r11 = r11
        message.pointee.r10 = r10
        message.pointee.r9 = r9
        message.pointee.r8 = r8
        message.pointee.ax = ax
        message.pointee.cx = cx
        message.pointee.dx = dx
        message.pointee.si = si
        message.pointee.di = di
        message.pointee.orig_ax = origAx
        message.pointee.ip = ip
        message.pointee.cs = cs
        message.pointee.flags = flags
        message.pointee.sp = sp
        message.pointee.ss = ss
        message.pointee.fs_base = fsBase
        message.pointee.gs_base = gsBase
        message.pointee.ds = ds
        message.pointee.es = es
        message.pointee.fs = fs
        message.pointee.gs = gs
        (message.pointee.has_mode, message.pointee.mode) = (1, USER_X86_REGS_MODE__NATIVE)
        return message
    }

    init(_ message: UserX86RegsEntry) {
        self.init()
        r15 = message.r15
        r14 = message.r14
        r13 = message.r13
        r12 = message.r12
        bp = message.bp
        bx = message.bx
        r11 = message.r11
        r10 = message.r10
        r9 = message.r9
        r8 = message.r8
        ax = message.ax
        cx = message.cx
        dx = message.dx
        si = message.si
        di = message.di
        origAx = message.orig_ax
        ip = message.ip
        cs = message.cs
        flags = message.flags
        sp = message.sp
        ss = message.ss
        fsBase = message.fs_base
        gsBase = message.gs_base
        ds = message.ds
        es = message.es
        fs = message.fs
        gs = message.gs
    }
}

extension ThreadImage {
    func registersMessage(
        in arena: MessageArena, _ codec: XSAVECodec, file: String
    ) throws(ImageError) -> UnsafeMutablePointer<ThreadInfoX86> {
        let message = arena.make(thread_info_x86__init)
        message.pointee.clear_tid_addr = clearTIDAddress
        message.pointee.gpregs = registers.message(in: arena)
        message.pointee.fpregs = try codec.message(xsave, shadowStack: shadowStack, in: arena, file: file)
        // A 64-bit task has no use for set_thread_area(2); its three slots of the descriptor table are empty.
        let slots = (12...14).map { number in
            let slot = arena.make(user_desc_t__init)
            slot.pointee.entry_number = UInt32(number)
            slot.pointee.read_exec_only = 1
            slot.pointee.seg_not_present = 1
            return slot
        }
        (message.pointee.n_tls, message.pointee.tls) = (slots.count, arena.array(messages: slots))
        return message
    }

    mutating func readRegisters(
        _ message: ThreadInfoX86, _ codec: XSAVECodec, _ entry: ImageEntry
    ) throws(ImageError) {
        let general = message.gpregs.pointee
        if general.has_mode != 0, general.mode != USER_X86_REGS_MODE__NATIVE {
            throw entry.error("thread \(tid) runs 32-bit code, which is not supported")
        }
        for slot: UserDescT in messageList(message.tls, message.n_tls) where slot.seg_not_present == 0 {
            throw entry.error(
                "thread \(tid) uses slot \(slot.entry_number) of set_thread_area(2), which is not supported")
        }
        clearTIDAddress = message.clear_tid_addr
        registers = RegisterImage(general)
        xsave = try codec.area(message.fpregs.pointee, entry)
        if let cet = message.fpregs.pointee.xsave?.pointee.cet?.pointee {
            shadowStack = ShadowStackImage(features: cet.cet, pointer: cet.ssp)
        }
    }
}
