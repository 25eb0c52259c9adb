import CPlatform
import Glibc

/// A pair of sockets by which tasks get descriptors from us when they have their own credentials.
///
/// pidfd_getfd(2) asks ptrace's question, which a task without privilege is answered no; a message with SCM_RIGHTS
/// asks nobody. All tasks hold the same far end: only one of them receives at a time, and that is our doing.
struct LenderChannel: ~Copyable {
    /// MSG_DONTWAIT and MSG_CTRUNC of recvmsg(2).
    private static let dontWait = 0x40
    private static let controlCut: Int32 = 8
    /// Where a message goes in the scratch area of a task, behind all that calls point to.
    private static let place = CallList.scratchOffset - 256

    private let ours: OwnedFD
    private let theirs: OwnedFD

    /// Our number of the end that is for tasks.
    var farEnd: Int32 { theirs.rawValue }

    init() throws(RestoreError) {
        var pair: (Int32, Int32) = (-1, -1)
        try RestoreError.about("this process", "has no sockets to hand descriptors over by") {
            () throws(Errno) -> Void in
            let type = Int(SOCK_DGRAM.rawValue) | Int(SOCK_CLOEXEC.rawValue)
            try withUnsafeMutablePointer(to: &pair) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_socketpair, Int(AF_UNIX), type, 0, Int(bitPattern: pointer))
            }
        }
        ours = OwnedFD(taking: pair.0)
        theirs = OwnedFD(taking: pair.1)
    }

    /// A lender that goes this way; it is good as long as the channel.
    func lender(at number: Int32) -> Lender {
        var lender = Lender(number: number)
        lender.channel = ours.rawValue
        return lender
    }

    /// Puts the far end in the place of the pidfd. The task still has our rights.
    func install(in thread: StubThread, by lender: Lender) throws(RestoreError) {
        let copy = try lender.take(theirs.rawValue, into: thread)
        try thread.call("dup3", CP_SYS_dup3, copy, Int(lender.number), Int(O_CLOEXEC))
        try thread.call("close", CP_SYS_close, copy)
    }

    /// Sends a descriptor and has the task receive it; returns its number there.
    static func hand(
        _ fd: Int32, through channel: Int32, to thread: StubThread, at number: Int32
    ) throws(RestoreError) -> Int {
        try RestoreError.about("task \(thread.tid)", "cannot be sent a descriptor") {
            () throws(Errno) -> Void in
            var message = SocketMessage(bytes: [0])
            message.rights = [fd]
            try message.send(through: channel, flags: Self.dontWait)
        }
        // struct msghdr, struct iovec, the byte, room for one control message; include/linux/socket.h.
        let base = Int(thread.scratch.rawValue) + Self.place
        let head: [Int] = [0, 0, base + 64, 1, base + 96, 24, 0]
        let address = try thread.put(
            head.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }, at: Self.place)
        _ = try thread.put((base + 80, 1), at: Self.place + 64)
        let closeOnExec = 0x4000_0000
        try thread.call(
            "recvmsg", CP_SYS_recvmsg, Int(number), address, closeOnExec | Self.dontWait)
        let flags = try thread.scratchValue(at: Self.place + 48, as: Int32.self)
        let control = try thread.scratchValue(at: Self.place + 96, as: (Int, Int32, Int32, Int32, Int32).self)
        guard flags & controlCut == 0, control.0 >= 20 else {
            throw RestoreError("task \(thread.tid)", "has no room for a descriptor that it is sent")
        }
        return Int(control.3)
    }
}
