import CPlatform

/// `seccomp.img`: one entry, empty when no thread has a filter.
enum SeccompCodec {
    /// BPF_MAXINSNS, and sizeof(struct sock_filter)
    private static let mostInstructions = 4096
    private static let instructionSize = 8

    static func packed(_ filters: [SeccompFilterImage]) -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(seccomp_entry__init)
            let rows = filters.map { filter in
                let row = arena.make(seccomp_filter__init)
                row.pointee.filter = arena.data(filter.program)
                if let next = filter.next { (row.pointee.has_prev, row.pointee.prev) = (1, next) }
                if let flags = filter.flags { (row.pointee.has_flags, row.pointee.flags) = (1, flags) }
                return row
            }
            (message.pointee.n_seccomp_filters, message.pointee.seccomp_filters) =
                (rows.count, arena.array(messages: rows))
            return message
        }
    }

    static func read(_ entry: ImageEntry) throws(ImageError) -> [SeccompFilterImage] {
        try entry.read(seccomp_entry__unpack) { (message) throws(ImageError) -> [SeccompFilterImage] in
            var filters: [SeccompFilterImage] = []
            for row: SeccompFilter in messageList(message.seccomp_filters, message.n_seccomp_filters) {
                let program = dataBytes(row.filter)
                let instructions = program.count / instructionSize
                guard program.count % instructionSize == 0, (1...mostInstructions).contains(instructions)
                else {
                    throw entry.error("seccomp filter of \(program.count) bytes is not a program")
                }
                // A thread's filters stand newest first, so the next newer one has the smaller index.
                if row.has_prev != 0, row.prev >= filters.count {
                    throw entry.error(
                        "seccomp filter \(filters.count) is followed by \(row.prev), which is not newer")
                }
                filters.append(
                    SeccompFilterImage(
                        program: program, next: given(row.has_prev, row.prev),
                        flags: given(row.has_flags, row.flags)))
            }
            return filters
        }
    }
}
