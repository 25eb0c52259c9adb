import CPlatform

// mm-PID.img.

extension MemoryImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(mm_entry__init)
            message.pointee.mm_start_code = startCode
            message.pointee.mm_end_code = endCode
            message.pointee.mm_start_data = startData
            message.pointee.mm_end_data = endData
            message.pointee.mm_start_stack = startStack
            message.pointee.mm_start_brk = startBrk
            message.pointee.mm_brk = brk
            message.pointee.mm_arg_start = argStart
            message.pointee.mm_arg_end = argEnd
            message.pointee.mm_env_start = envStart
            message.pointee.mm_env_end = envEnd
            message.pointee.exe_file_id = exeFile
            (message.pointee.n_mm_saved_auxv, message.pointee.mm_saved_auxv) = (auxv.count, arena.array(auxv))
            let vmas = areas.map { $0.message(in: arena) }
            (message.pointee.n_vmas, message.pointee.vmas) = (vmas.count, arena.array(messages: vmas))
            if let dumpable { (message.pointee.has_dumpable, message.pointee.dumpable) = (1, dumpable) }
            let rings = aioRings.map { ring in
                let row = arena.make(aio_ring_entry__init)
                row.pointee.id = ring.address
                row.pointee.nr_req = ring.requests
                row.pointee.ring_len = ring.length
                return row
            }
            (message.pointee.n_aios, message.pointee.aios) = (rings.count, arena.array(messages: rings))
            if let thpDisabled {
                (message.pointee.has_thp_disabled, message.pointee.thp_disabled) = (1, thpDisabled ? 1 : 0)
            }
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(mm_entry__unpack) { (message) throws(ImageError) -> MemoryImage in
            var memory = MemoryImage()
            memory.startCode = message.mm_start_code
            memory.endCode = message.mm_end_code
            memory.startData = message.mm_start_data
            memory.endData = message.mm_end_data
            memory.startStack = message.mm_start_stack
            memory.startBrk = message.mm_start_brk
            memory.brk = message.mm_brk
            memory.argStart = message.mm_arg_start
            memory.argEnd = message.mm_arg_end
            memory.envStart = message.mm_env_start
            memory.envEnd = message.mm_env_end
            memory.exeFile = message.exe_file_id
            memory.auxv = scalarList(message.mm_saved_auxv, message.n_mm_saved_auxv)
            guard memory.auxv.count <= 64 else {
                throw entry.error(
                    "auxiliary vector has \(memory.auxv.count) words; the kernel takes no more than 64")
            }
            var end: UInt64 = 0
            for vma: VmaEntry in messageList(message.vmas, message.n_vmas) {
                let area = try AreaImage(vma, entry)
                // Guard ranges lie inside of other areas and come last.
                if !area.status.contains(.guardRegion) {
                    guard area.start >= end else {
                        throw entry.error(
                            "memory area at \(hexadecimal(area.start)) overlaps the one before it")
                    }
                    end = area.end
                }
                memory.areas.append(area)
            }
            memory.dumpable = given(message.has_dumpable, message.dumpable)
            memory.aioRings = messageList(message.aios, message.n_aios).map { (ring: AioRingEntry) in
                AsyncRingImage(address: ring.id, requests: ring.nr_req, length: ring.ring_len)
            }
            memory.thpDisabled = given(message.has_thp_disabled, message.thp_disabled != 0)
            return memory
        }
    }
}

extension AreaImage {
    fileprivate func message(in arena: MessageArena) -> UnsafeMutablePointer<VmaEntry> {
        let message = arena.make(vma_entry__init)
        message.pointee.start = start
        message.pointee.end = end
        message.pointee.pgoff = offset
        message.pointee.shmid = backing
        message.pointee.prot = protection
        message.pointee.flags = flags
        message.pointee.status = status.rawValue
        message.pointee.fd = -1
        if let advice { (message.pointee.has_madv, message.pointee.madv) = (1, advice) }
        if let openMode { (message.pointee.has_fdflags, message.pointee.fdflags) = (1, openMode) }
        return message
    }

    fileprivate init(_ message: VmaEntry, _ entry: ImageEntry) throws(ImageError) {
        guard message.start < message.end, message.start % UInt64(pageSize) == 0,
            message.end % UInt64(pageSize) == 0
        else {
            throw entry.error(
                "memory area \(hexadecimal(message.start))-\(hexadecimal(message.end)) is not possible")
        }
        self.init(
            start: message.start, end: message.end, protection: message.prot, flags: message.flags,
            status: AreaStatus(rawValue: message.status))
        offset = message.pgoff
        backing = message.shmid
        advice = given(message.has_madv, message.madv)
        openMode = given(message.has_fdflags, message.fdflags)
    }
}

func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
