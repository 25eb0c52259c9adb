import CPlatform
import Glibc

/// Unread messages of a unix socket, copied without taking them out.
///
/// MSG_PEEK alone shows the first message only; SO_PEEK_OFF makes it go on from an offset (socket(7)). The offset is
/// state of the socket that the program may use itself, so `around` puts the old one back, and whoever calls notes it
/// in the undo journal first.
struct SocketQueue {
    /// A duplicate of the receiving socket.
    let fd: Int32
    let type: UInt32

    /// What a queue can hold that cannot be read without harm, or be put back.
    enum Obstacle: Error {
        case kernel(Errno)
        /// An urgent byte (MSG_OOB).
        case urgent
        /// An error waits for the program, and reading would take it.
        case error
        /// Descriptors in an empty message that was looked at, which no call shows.
        case hiddenRights
        /// More messages than the kernel can be asked about.
        case tooMany
    }

    private static let peekOffset: Int32 = 42
    private static let stream: UInt32 = 1
    private static let packets: UInt32 = 5

    /// Events of poll(2) now. It takes nothing, not even an error.
    func events() throws(Errno) -> Int16 {
        var entry = pollfd(fd: fd, events: Int16(POLLIN | POLLOUT), revents: 0)
        try withUnsafeMutablePointer(to: &entry) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_poll, Int(bitPattern: pointer), 1, 0)
        }
        return entry.revents
    }

    /// False where nothing waits, not even the end or an error; of a stream not asked.
    func isReadable() throws(Obstacle) -> Bool {
        if type == Self.stream { return true }
        do throws(Errno) { return try events() & Int16(POLLIN | POLLERR) != 0 } catch { throw .kernel(error) }
    }

    /// False where there surely is no message in a queue that is readable. `empty` are those that the kernel tells of, nil
    /// where it does not.
    func mayHoldMessages(_ empty: [EmptyMessage]?) throws(Obstacle) -> Bool {
        do throws(Errno) {
            let events = try events()
            if type == Self.stream { return try unreadBytes() > 0 }
            if events & Int16(POLLERR) == 0 { return true }
            let isShut = events & Int16(POLLRDHUP | POLLHUP) != 0
            if isShut, empty?.isEmpty ?? true, try unreadBytes() == 0 { return false }
        } catch {
            throw .kernel(error)
        }
        throw .error
    }

    /// SO_PEEK_OFF; -1 for none.
    func offset() throws(Obstacle) -> Int32 {
        do throws(Errno) {
            return Int32(bitPattern: try SocketOptionsReader.word(fd, Self.peekOffset))
        } catch {
            throw .kernel(error)
        }
    }

    /// All messages in their order; rights are descriptors of ours.
    func messages(_ empty: [EmptyMessage]?, restoring offset: Int32) throws(Obstacle) -> [SocketMessage] {
        if type == Self.stream, hasUrgentByte() { throw .urgent }
        if let empty, empty.contains(where: { $0.wasSeen && $0.hasRights && $0.place > 0 }) {
            throw .hiddenRights
        }
        let result: Result<[SocketMessage], Errno>
        do throws(Errno) {
            result = .success(try type == Self.stream ? chunks() : datagrams(empty))
        } catch {
            result = .failure(error)
        }
        do throws(Errno) {
            try setOffset(offset)
            return try result.get()
        } catch {
            throw .kernel(error)
        }
    }

    func setOffset(_ offset: Int32) throws(Errno) {
        try SocketCalls.set(fd, SocketOption.socketLevel, Self.peekOffset, UInt32(bitPattern: offset))
    }

    /// SIOCINQ: of a stream and of packets all bytes, of datagrams those of the first.
    private func unreadBytes() throws(Errno) -> Int {
        var count: Int32 = 0
        try withUnsafeMutablePointer(to: &count) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, Int(fd), Int(FIONREAD), Int(bitPattern: pointer))
        }
        return Int(count)
    }

    private func hasUrgentByte() -> Bool {
        var byte: UInt8 = 0
        let urgent = 1 | 2 | 0x40  // MSG_OOB | MSG_PEEK | MSG_DONTWAIT
        return withUnsafeMutablePointer(to: &byte) {
            cp_syscall(CP_SYS_recvfrom, Int(fd), Int(bitPattern: $0), 1, urgent, 0, 0) >= 0
        }
    }

    private func datagrams(_ empty: [EmptyMessage]?) throws(Errno) -> [SocketMessage] {
        var all = try shownDatagrams(unseen: empty?.count { !$0.wasSeen })
        let hidden = (empty ?? []).filter(\.wasSeen)
        if hidden.isEmpty { return all }
        let passesCredentials = try SocketOptionsReader.word(fd, SocketOption.passCredentials) != 0
        for seen in hidden {
            guard seen.place <= all.count else { throw .io }
            all.insert(try message(seen, passesCredentials), at: seen.place)
        }
        return all
    }

    private func message(_ seen: EmptyMessage, _ passesCredentials: Bool) throws(Errno) -> SocketMessage {
        if seen.place == 0 {
            try setOffset(-1)
            guard let first = try SocketMessage.peek(fd, room: 0), first.length == 0 else { throw .io }
            return first.message
        }
        var message = SocketMessage(bytes: [])
        message.address = seen.address
        if passesCredentials { message.credentials = seen.credentials }
        return message
    }

    /// Those that calls show; of empty ones at the end of packets that were shut down as many as there are, where known.
    private func shownDatagrams(unseen: Int?) throws(Errno) -> [SocketMessage] {
        var all: [SocketMessage] = []
        var (position, emptyOnes) = (0, 0)
        var room = 1 << 16
        let total = type == Self.packets ? try unreadBytes() : 0
        while true {
            // A packet socket that was shut down answers with an empty message at its end.
            let isEnd: Bool
            if let unseen { isEnd = emptyOnes == unseen } else { isEnd = !all.isEmpty }
            let endIsEmpty = type == Self.packets && position == total && isEnd
            try setOffset(Int32(position))
            guard let (message, length) = try SocketMessage.peek(fd, room: room) else { return all }
            if length > room {
                for right in message.rights { _ = close(right) }
                room = length
                continue
            }
            if endIsEmpty && length == 0 && message.rights.isEmpty { return all }
            all.append(message)
            position += length
            if length == 0 { emptyOnes += 1 }
        }
    }

    /// Pieces that end where descriptors are attached. What stands right before those and was sent without any comes in
    /// one piece with them, as it would to a read(2) of that size: a peek goes on to the next descriptors even when its
    /// buffer is full (net/unix/af_unix.c, unix_stream_read_generic()), so where they begin cannot be told.
    private func chunks() throws(Errno) -> [SocketMessage] {
        let total = try unreadBytes()
        var all: [SocketMessage] = []
        var position = 0
        while position < total {
            guard let message = try chunk(position, total - position), !message.bytes.isEmpty else {
                throw .io
            }
            all.append(message)
            position += message.bytes.count
        }
        return all
    }

    private func chunk(_ position: Int, _ room: Int) throws(Errno) -> SocketMessage? {
        try setOffset(Int32(position))
        return try SocketMessage.peek(fd, room: room)?.message
    }
}
