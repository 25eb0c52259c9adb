import CPlatform

/// Raw XSAVE area to CRIU's fields and back.
///
/// A component has an array in the image when the dumping CPU has the component, used or not; `xstate_bv` says which
/// are in use. Components without an array in CRIU's format (AMX among them) can be kept only while not in use.
struct XSAVECodec {
    let layout: XSAVELayout

    /// Components with an array in `user_x86_xsave_entry`, and their bytes there.
    private static let sizes: [(number: Int, bytes: Int)] = [
        (2, 256), (3, 64), (4, 64), (5, 64), (6, 512), (7, 1024), (9, 8),
    ]
    /// x87 and SSE, which are in the FXSAVE area.
    private static let legacyMask: UInt64 = 3

    func message(
        _ area: [UInt8], shadowStack: ShadowStackImage?, in arena: MessageArena, file: String
    ) throws(ImageError) -> UnsafeMutablePointer<UserX86FpregsEntry> {
        let message = arena.make(user_x86_fpregs_entry__init)
        guard area.count >= XSAVELayout.legacySize else {
            throw ImageError(
                file: file, "floating point state has \(area.count) bytes, less than the 512 of FXSAVE")
        }
        let bytes = area[...]
        message.pointee.cwd = UInt32(bytes.integer(at: 0, as: UInt16.self))
        message.pointee.swd = UInt32(bytes.integer(at: 2, as: UInt16.self))
        message.pointee.twd = UInt32(bytes.integer(at: 4, as: UInt16.self))
        message.pointee.fop = UInt32(bytes.integer(at: 6, as: UInt16.self))
        message.pointee.rip = bytes.integer(at: 8)
        message.pointee.rdp = bytes.integer(at: 16)
        message.pointee.mxcsr = bytes.integer(at: 24)
        message.pointee.mxcsr_mask = bytes.integer(at: 28)
        let st: [UInt32] = bytes.integers(at: 32, bytes: 128)
        (message.pointee.n_st_space, message.pointee.st_space) = (st.count, arena.array(st))
        let xmm: [UInt32] = bytes.integers(at: 160, bytes: 256)
        (message.pointee.n_xmm_space, message.pointee.xmm_space) = (xmm.count, arena.array(xmm))
        if area.count >= XSAVELayout.legacySize + XSAVELayout.headerSize {
            message.pointee.xsave = try extended(bytes, shadowStack: shadowStack, in: arena, file: file)
        }
        return message
    }

    private func extended(
        _ area: ArraySlice<UInt8>, shadowStack: ShadowStackImage?, in arena: MessageArena, file: String
    ) throws(ImageError) -> UnsafeMutablePointer<UserX86XsaveEntry> {
        let message = arena.make(user_x86_xsave_entry__init)
        let inUse: UInt64 = area.integer(at: 512)
        let known = Self.sizes.reduce(Self.legacyMask) { $0 | 1 << $1.number }
        if let lost = (0..<64).first(where: { (inUse & ~known) & 1 << $0 != 0 }) {
            throw ImageError(
                file: file, "the image format has no place for XSAVE component \(lost), which is in use")
        }
        let features: UInt64 = area.integer(at: XSAVELayout.featureMaskOffset)
        message.pointee.xstate_bv = inUse
        for (number, size) in Self.sizes where features & 1 << number != 0 {
            guard let component = layout.components[number], component.size == size,
                component.offset + size <= area.count
            else {
                throw ImageError(
                    file: file, "XSAVE component \(number) lies outside of the \(area.count) bytes")
            }
            Self.store(
                area[component.offset..<component.offset + size], as: number, into: &message.pointee,
                in: arena)
        }
        if let shadowStack {
            let cet = arena.make(user_x86_cet_entry__init)
            cet.pointee.cet = shadowStack.features
            cet.pointee.ssp = shadowStack.pointer
            message.pointee.cet = cet
        }
        return message
    }

    private static func store(
        _ bytes: ArraySlice<UInt8>, as component: Int, into message: inout UserX86XsaveEntry,
        in arena: MessageArena
    ) {
        let words: [UInt32] = bytes.integers(at: 0, bytes: bytes.count)
        let longs: [UInt64] = bytes.integers(at: 0, bytes: bytes.count)
        switch component {
        case 2: (message.n_ymmh_space, message.ymmh_space) = (words.count, arena.array(words))
        case 3: (message.n_bndreg_state, message.bndreg_state) = (longs.count, arena.array(longs))
        case 4: (message.n_bndcsr_state, message.bndcsr_state) = (longs.count, arena.array(longs))
        case 5: (message.n_opmask_reg, message.opmask_reg) = (longs.count, arena.array(longs))
        case 6: (message.n_zmm_upper, message.zmm_upper) = (longs.count, arena.array(longs))
        case 7: (message.n_hi16_zmm, message.hi16_zmm) = (longs.count, arena.array(longs))
        default: (message.n_pkru, message.pkru) = (words.count, arena.array(words))
        }
    }

    /// The area as this CPU has it, ready for PTRACE_SETREGSET.
    func area(_ message: UserX86FpregsEntry, _ entry: ImageEntry) throws(ImageError) -> [UInt8] {
        let st = scalarList(message.st_space, message.n_st_space)
        let xmm = scalarList(message.xmm_space, message.n_xmm_space)
        guard st.count == 32, xmm.count == 64 else {
            throw entry.error(
                "floating point state has \(st.count) and \(xmm.count) words where 32 and 64 belong")
        }
        var area = [UInt8](repeating: 0, count: layout.size)
        for (offset, value) in [(0, message.cwd), (2, message.swd), (4, message.twd), (6, message.fop)] {
            guard let short = UInt16(exactly: value) else {
                throw entry.error("floating point control word \(value) does not fit into 16 bits")
            }
            area.put(short, at: offset)
        }
        area.put(message.rip, at: 8)
        area.put(message.rdp, at: 16)
        area.put(message.mxcsr, at: 24)
        area.put(message.mxcsr_mask, at: 28)
        area.put(st, at: 32)
        area.put(xmm, at: 160)
        area.put(layout.mask, at: XSAVELayout.featureMaskOffset)
        guard let extended = message.xsave?.pointee else {
            area.put(Self.legacyMask, at: 512)
            return area
        }
        area.put(extended.xstate_bv, at: 512)
        let arrays: [Int: [UInt8]] = [
            2: rawBytes(scalarList(extended.ymmh_space, extended.n_ymmh_space)),
            3: rawBytes(scalarList(extended.bndreg_state, extended.n_bndreg_state)),
            4: rawBytes(scalarList(extended.bndcsr_state, extended.n_bndcsr_state)),
            5: rawBytes(scalarList(extended.opmask_reg, extended.n_opmask_reg)),
            6: rawBytes(scalarList(extended.zmm_upper, extended.n_zmm_upper)),
            7: rawBytes(scalarList(extended.hi16_zmm, extended.n_hi16_zmm)),
            9: rawBytes(scalarList(extended.pkru, extended.n_pkru)),
        ]
        for number in 2..<64 {
            let isInUse = extended.xstate_bv & 1 << number != 0
            let array = arrays[number] ?? []
            guard let component = layout.components[number] else {
                if isInUse { throw entry.error("XSAVE component \(number) is in use and this CPU lacks it") }
                continue
            }
            if array.isEmpty {
                if isInUse { throw entry.error("XSAVE component \(number) is in use and has no content") }
                continue
            }
            guard array.count == component.size else {
                throw entry.error(
                    "XSAVE component \(number) has \(array.count) bytes and \(component.size) on this CPU")
            }
            area.replaceSubrange(component.offset..<component.offset + array.count, with: array)
        }
        return area
    }
}

extension ArraySlice<UInt8> {
    /// A little-endian integer at an offset from the slice's start.
    fileprivate func integer<I: FixedWidthInteger>(at offset: Int, as type: I.Type = I.self) -> I {
        let start = startIndex + offset
        return self[start..<start + MemoryLayout<I>.size].reversed().reduce(0) { $0 << 8 | I($1) }
    }

    fileprivate func integers<I: FixedWidthInteger>(at offset: Int, bytes: Int) -> [I] {
        stride(from: offset, to: offset + bytes, by: MemoryLayout<I>.size).map { integer(at: $0) }
    }
}

extension [UInt8] {
    fileprivate mutating func put<I: FixedWidthInteger>(_ value: I, at offset: Int) {
        put([value], at: offset)
    }

    fileprivate mutating func put<I: FixedWidthInteger>(_ values: [I], at offset: Int) {
        let raw = rawBytes(values)
        replaceSubrange(offset..<offset + raw.count, with: raw)
    }
}

private func rawBytes<I: FixedWidthInteger>(_ values: [I]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
}
