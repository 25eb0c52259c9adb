import CPlatform
import Glibc

/// A worker's end of its group's meetings: a stream socket to the batch, one byte a message.
///
/// The worker says which stage it has reached and gets the same byte back once all of the group are there. The end of
/// the stream means that another one failed.
struct GroupSeat: ~Copyable {
    private let socket: OwnedFD
    private let group: String
    /// For the first stage, in milliseconds: nobody is kept frozen by trees that cannot be.
    private let patience: UInt64

    init(_ socket: consuming OwnedFD, group: String, patience: UInt64) {
        self.socket = socket
        self.group = group
        self.patience = patience
    }

    /// Waits until all of the group have reached a stage. Throws where one of them will not.
    borrowing func meet(_ stage: DumpStage) throws(DumpError) {
        var byte = stage.rawValue
        let deadline = stage == .frozen ? Deadline.after(milliseconds: patience) : nil
        guard send(socket.rawValue, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { throw abandoned }
        while true {
            // Short, as a signal that asks us to end may come just before the wait.
            var wait = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wait, 1, 50)
            if cp_cancellation_signal() != 0 { throw .trace(.cancelled) }
            if ready > 0 {
                guard read(socket.rawValue, &byte, 1) == 1, byte == stage.rawValue else { throw abandoned }
                return
            }
            if let deadline, deadline.hasPassed {
                throw .environment("not all trees of \(group) could be frozen within dump.freeze-timeout")
            }
        }
    }

    private var abandoned: DumpError {
        .environment("let go, as another tree of \(group) was not dumped")
    }
}

/// The batch's side: who of a group has reached which stage.
final class GroupMeeting {
    private let size: Int
    private var arrived = 0
    private var stage = DumpStage.frozen
    private var sockets: [Int: Int32] = [:]
    /// Why the group does not go on.
    private(set) var failure: String?
    /// Whether that was a policy's no.
    var wasBlocked = false
    /// Looks whether the group is whole, once all of it stand still: why not, or nil.
    private let check: () -> String?

    /// `size` workers will take part.
    init(size: Int, check: @escaping () -> String?) {
        self.size = size
        self.check = check
    }

    /// Makes the socket of one worker: our end is kept, its end is given.
    func seat(_ index: Int) throws(Errno) -> OwnedFD {
        var ends: (Int32, Int32) = (0, 0)
        try withUnsafeMutablePointer(to: &ends) { (pointer) throws(Errno) -> Void in
            let type = Int(SOCK_STREAM.rawValue) | Int(SOCK_CLOEXEC.rawValue)
            try systemCall(CP_SYS_socketpair, Int(AF_UNIX), type, 0, Int(bitPattern: pointer))
        }
        sockets[index] = ends.0
        return OwnedFD(taking: ends.1)
    }

    /// To be waited on with poll(2).
    var descriptors: [Int32] { Array(sockets.values) }

    /// Hears who has come, and sends all on when the last one has.
    func listen() {
        for (index, socket) in sockets {
            var byte: UInt8 = 0
            let count = recv(socket, &byte, 1, Int32(MSG_DONTWAIT))
            if count == 1, byte == stage.rawValue { arrived += 1 }
            if count == 0 { leave(index) }
        }
        guard arrived == size, failure == nil else { return }
        if stage == .frozen, let reason = check() {
            abandon(reason)
            return
        }
        arrived = 0
        var byte = stage.rawValue
        for socket in sockets.values { send(socket, &byte, 1, Int32(MSG_NOSIGNAL)) }
        stage = DumpStage(rawValue: byte + 1) ?? stage
    }

    /// A worker has ended or failed; the others are let go, unless the last stage is behind them.
    func abandon(_ reason: String) {
        if failure == nil { failure = reason }
        for index in sockets.keys { leave(index) }
    }

    private func leave(_ index: Int) {
        if let socket = sockets.removeValue(forKey: index) { close(socket) }
    }

    deinit { for socket in sockets.values { close(socket) } }
}
