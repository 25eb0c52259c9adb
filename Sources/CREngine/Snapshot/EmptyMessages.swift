import Glibc

/// An empty message that waits in a unix socket of datagrams or packets.
///
/// Once it was looked at (MSG_PEEK) the kernel skips it for whoever looks from an offset, SO_PEEK_OFF
/// (__skb_try_recv_from_queue() of net/core/datagram.c), so that no call shows it any more, but for the first of a queue.
/// And at the end of a packet socket that was shut down a call cannot tell it from the end.
struct EmptyMessage: Equatable, Sendable {
    /// Messages before it.
    var place: Int
    var wasSeen: Bool
    /// Of who sent it, as the initial namespaces number them; pid 0 for nobody.
    var credentials: SocketCredentialsImage
    var hasRights: Bool
    /// The sender's struct sockaddr; empty for one without a name.
    var address: [UInt8]
}

/// Reads such messages in the queues of this process's own sockets.
///
/// The kernel looks at each turn of a loop when it takes a program, which costs some microseconds for every instruction. So
/// a run goes a few messages far, and the next one on from there.
struct EmptyMessagesReader: Sendable {
    private static let step = 16
    /// A queue that goes on behind so many runs is none, or changes under us.
    private static let mostRuns = 1 << 16
    private static let (rowSize, nameSize) = (56, 112)
    private let iterator: KernelIterator
    /// The message to begin with, 0 for the first; the descriptor.
    private let cell: KernelCell

    init(_ types: KernelTypes) throws(Errno) {
        cell = try KernelCell(words: 2)
        iterator = try KernelIterator(Self.program(types, cell), types: types)
    }

    /// Not for two threads at once. Throws ENOBUFS where the queue has no end.
    func messages(of fd: Int32) throws(Errno) -> [EmptyMessage] {
        var found: [EmptyMessage] = []
        var begin: UInt64? = 0
        for run in 0..<Self.mostRuns {
            guard let start = begin else { return found }
            try cell.set([start, UInt64(fd)])
            begin = try Self.decode(iterator.run(PID(getpid())), before: run * Self.step, into: &found)
        }
        throw Errno(rawValue: ENOBUFS)
    }

    /// Returns where the queue goes on.
    private static func decode(_ bytes: [UInt8], before: Int, into found: inout [EmptyMessage]) -> UInt64? {
        var start = 0
        while start + rowSize <= bytes.count {
            let row = bytes[start...].withUnsafeBytes { bytes in
                (0..<rowSize / 8).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
            }
            if row[1] == .max { return row[4] }
            let (name, nameLength) = (start + rowSize, Int(row[5]))
            found.append(
                EmptyMessage(
                    place: before + Int(row[1]), wasSeen: row[6] != 0,
                    credentials: SocketCredentialsImage(
                        pid: Int32(truncatingIfNeeded: row[3]), uid: UInt32(truncatingIfNeeded: row[2]),
                        gid: UInt32(row[2] >> 32)),
                    hasRights: row[4] != 0,
                    address: Array(bytes[name..<min(name + nameLength, bytes.count)])))
            start = name + (nameLength == 0 ? 0 : nameSize)
        }
        return nil
    }

    /// Writes for each: descriptor, place, user and group, pid, rights, length of the name, whether it was looked at; and the
    /// name where there is one. Last, should the queue go on: a place of all ones, and the next message as the rights.
    private static func program(_ types: KernelTypes, _ cell: KernelCell) throws(Errno) -> KernelProgram {
        let (number, place, user, group): (Int32, Int32, Int32, Int32) = (-56, -48, -40, -36)
        let (pid, rights, length, mark): (Int32, Int32, Int32, Int32) = (-32, -24, -16, -8)
        let (word, next, head, name): (Int32, Int32, Int32, Int32) = (-64, -72, -80, -192)
        let common = try types.offset("sock", "__sk_common")
        let (message, parts) = ("sk_buff", "unix_skb_parms")
        let control = try types.offset(message, "cb")
        let (nextPlace, lengthPlace) = (try types.offset(message, "next"), try types.offset(message, "len"))
        let (sender, seen) = (try types.offset(message, "sk"), try types.bit(message, "peeked"))
        let (pidPlace, userPlace) = (try types.offset(parts, "pid"), try types.offset(parts, "uid"))
        let (groupPlace, rightsPlace) = (try types.offset(parts, "gid"), try types.offset(parts, "fp"))
        let numbers = try types.offset("pid", "numbers")
        let addressPlace = try types.offset("unix_sock", "addr")
        let (nameLength, namePlace) =
            (try types.offset("unix_address", "len"), try types.offset("unix_address", "name"))

        var program = KernelProgram(.descriptor)
        program.set(1, 0)
        for offset in [number, place, user, pid, rights, length, mark, word] { program.store(1, at: offset) }
        program.loadHalf(8, from: 6, 16)
        program.store(8, at: number)
        program.loadCell(cell, into: 2, place: word)
        program.store(2, at: next)
        program.leaveUnlessEqual(8, 3)
        // Whatever file that is: only a socket knows its own file.
        program.load(8, from: 7, try types.offset("file", "private_data"))
        program.leaveIfZero(8)
        program.copy(3, from: 8)
        program.read(8, at: try types.offset("socket", "file"), to: word)
        program.load(1, from: KernelProgram.stack, word)
        program.leaveUnlessEqual(1, 7)
        program.copy(3, from: 8)
        program.read(8, at: try types.offset("socket", "sk"), to: word)
        program.load(8, from: KernelProgram.stack, word)
        program.leaveIfZero(8)
        for (offset, wanted, equal) in [
            (common + (try types.offset("sock_common", "skc_family")), Int32(AF_UNIX), true),
            (try types.offset("sock", "sk_type"), 1, false),
        ] {
            program.set(1, 0)
            program.store(1, at: word)
            program.copy(3, from: 8)
            program.read(2, at: offset, to: word)
            program.load(1, from: KernelProgram.stack, word)
            program.set(2, wanted)
            if equal { program.leaveUnlessEqual(1, 2) } else { program.leaveIfEqual(1, 2) }
        }
        program.add(8, try types.offset("sock", "sk_receive_queue"))
        program.store(8, at: head)
        let first = try types.offset("sk_buff_head", "next")
        program.load(1, from: KernelProgram.stack, next)
        program.ifZero(1) { program in
            program.copy(3, from: 8)
            program.read(8, at: first, to: next)
        }
        program.loop(Int32(step)) { program in
            program.load(8, from: KernelProgram.stack, next)
            program.leaveIfZero(8)
            program.load(1, from: KernelProgram.stack, head)
            program.leaveIfEqual(8, 1)
            program.copy(3, from: 8)
            program.read(8, at: nextPlace, to: next)
            program.set(1, 0)
            program.store(1, at: word)
            program.copy(3, from: 8)
            program.read(4, at: lengthPlace, to: word)
            program.load(1, from: KernelProgram.stack, word)
            program.ifZero(1) { program in
                program.copy(3, from: 8)
                program.read(1, at: seen.offset, to: word)
                program.load(1, from: KernelProgram.stack, word)
                program.and(1, seen.mask)
                program.store(1, at: mark)
                program.store(9, at: place)
                program.set(1, 0)
                for offset in [pid, length] { program.store(1, at: offset) }
                program.copy(3, from: 8)
                program.read(4, at: control + userPlace, to: user)
                program.copy(3, from: 8)
                program.read(4, at: control + groupPlace, to: group)
                program.copy(3, from: 8)
                program.read(8, at: control + rightsPlace, to: rights)
                program.copy(3, from: 8)
                program.read(8, at: control + pidPlace, to: word)
                program.load(3, from: KernelProgram.stack, word)
                program.read(4, at: numbers, to: pid)
                program.copy(3, from: 8)
                program.read(8, at: sender, to: word)
                program.load(3, from: KernelProgram.stack, word)
                program.read(8, at: addressPlace, to: word)
                program.load(3, from: KernelProgram.stack, word)
                program.read(4, at: nameLength, to: length)
                program.write(Int32(rowSize), from: number)
                program.load(1, from: KernelProgram.stack, length)
                program.ifNotZero(1) { program in
                    program.load(3, from: KernelProgram.stack, word)
                    program.read(Int32(nameSize), at: namePlace, to: name)
                    program.write(Int32(nameSize), from: name)
                }
            }
        }
        // The queue goes on.
        program.set(1, -1)
        program.store(1, at: place)
        program.set(1, 0)
        program.store(1, at: length)
        program.load(1, from: KernelProgram.stack, next)
        program.store(1, at: rights)
        program.write(Int32(rowSize), from: number)
        program.finish()
        return program
    }
}
