import CPlatform
import Glibc

/// A socket of netlink(7) and the namespace that its maker was in: requests, and the kernel's answers to them.
struct NetlinkConnection: ~Copyable {
    /// The families that we talk to.
    enum Family: Int {
        /// Links, addresses, routes: rtnetlink(7).
        case route = 0
        /// Connection tracking.
        case netfilter = 12
        case transformation = 6
    }
    enum Flag {
        static let request: UInt16 = 1
        static let acknowledge: UInt16 = 4
        static let dump: UInt16 = 0x300
        static let exclusive: UInt16 = 0x200
        static let replace: UInt16 = 0x100
        static let create: UInt16 = 0x400
        static let append: UInt16 = 0x800
        /// The dump was made of a table that changed meanwhile.
        static let interrupted: UInt16 = 0x10
    }
    /// What the kernel answered, with the sentence that it gives since Linux 4.12.
    struct Refusal: Error {
        var errno: Errno
        var sentence: String?

        func about(_ subject: String, _ fact: String) -> NetworkError {
            NetworkError(subject, sentence.map { "\(fact) (the kernel says: \($0))" } ?? fact, errno: errno)
        }
    }

    private static let level = 270
    private static let sentences = 11
    private static let strictCheck = 12
    private static let capAcknowledgement = 10
    private static let errorType: UInt16 = 2
    private static let doneType: UInt16 = 3
    private static let errorHasSentence: UInt16 = 0x200
    private static let attempts = 20
    private static let longestAnswer = 1 << 18

    private let socket: OwnedFD
    private var sequence: UInt32 = 0

    init(_ family: Family) throws(Errno) {
        let cloexec = 0o2000000
        socket = OwnedFD(
            taking: Int32(try systemCall(CP_SYS_socket, Int(AF_NETLINK), 3 | cloexec, family.rawValue)))
        // An old kernel has no sentences, and checks nothing strictly: what is not asked for is sorted out again.
        for option in [Self.sentences, Self.strictCheck, Self.capAcknowledgement] {
            var one: Int32 = 1
            _ = setsockopt(socket.rawValue, Int32(Self.level), Int32(option), &one, 4)
        }
        // The kernel answers at once; one that does not is better told than waited for.
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        _ = setsockopt(
            socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// One to the namespace of the calling thread.
    static func open(_ family: Family) throws(NetworkError) -> NetlinkConnection {
        try NetworkError.about("network namespace", "netlink cannot be used") {
            () throws(Errno) -> NetlinkConnection in
            try NetlinkConnection(family)
        }
    }

    /// Has something done.
    mutating func perform(_ message: NetlinkMessage) throws(Refusal) {
        sequence += 1
        try send(message.bytes(flags: message.flags | Flag.request | Flag.acknowledge, sequence: sequence))
        try awaitAcknowledgement()
    }

    /// The same for a subsystem of netfilter that takes changes as transactions only; see nfnetlink_rcv_batch.
    mutating func perform(_ message: NetlinkMessage, inBatchOf subsystem: UInt16) throws(Refusal) {
        sequence += 1
        // NFNL_MSG_BATCH_BEGIN and _END: `struct nfgenmsg` with the subsystem in its last field, big-endian.
        let ends = [16, 17 as UInt16].map {
            NetlinkMessage(type: $0, body: [0, 0, UInt8(subsystem >> 8), UInt8(subsystem & 0xff)])
                .bytes(flags: Flag.request, sequence: sequence)
        }
        let flags = message.flags | Flag.request | Flag.acknowledge
        try send(ends[0] + message.bytes(flags: flags, sequence: sequence) + ends[1])
        try awaitAcknowledgement()
    }

    private func awaitAcknowledgement() throws(Refusal) {
        while true {
            for answer in try receive() where answer.type == Self.errorType {
                try Self.check(answer)
                return
            }
        }
    }

    /// Asks for one object.
    mutating func ask(_ message: NetlinkMessage) throws(Refusal) -> NetlinkMessage? {
        sequence += 1
        try send(message.bytes(flags: message.flags | Flag.request | Flag.acknowledge, sequence: sequence))
        var found: NetlinkMessage?
        while true {
            for answer in try receive() {
                if answer.type == Self.errorType {
                    try Self.check(answer)
                    return found
                }
                found = answer
            }
        }
    }

    /// All rows of a table, begun again where it changed meanwhile.
    mutating func dump(_ message: NetlinkMessage) throws(Refusal) -> [NetlinkMessage] {
        for _ in 0..<Self.attempts {
            if let rows = try dumpOnce(message) { return rows }
        }
        throw Refusal(errno: Errno(rawValue: EINTR))
    }

    private mutating func dumpOnce(_ message: NetlinkMessage) throws(Refusal) -> [NetlinkMessage]? {
        sequence += 1
        try send(message.bytes(flags: message.flags | Flag.request | Flag.dump, sequence: sequence))
        var rows: [NetlinkMessage] = []
        var isWhole = true
        while true {
            for answer in try receive() {
                if answer.flags & Flag.interrupted != 0 { isWhole = false }
                if answer.type == Self.errorType || answer.type == Self.doneType {
                    try Self.check(answer)
                    return isWhole ? rows : nil
                }
                rows.append(answer)
            }
        }
    }

    private func send(_ bytes: [UInt8]) throws(Refusal) {
        do throws(Errno) { try socket.writeAll(bytes) } catch { throw Refusal(errno: error) }
    }

    /// Answers to the request of the present number; older ones are passed over.
    private func receive() throws(Refusal) -> [NetlinkMessage] {
        var result = Result<Int, Errno>.success(0)
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.longestAnswer) { buffer, count in
            do throws(Errno) {
                count = try socket.read(into: UnsafeMutableRawBufferPointer(buffer))
            } catch {
                result = .failure(error)
            }
        }
        if case .failure(let errno) = result { throw Refusal(errno: errno) }
        guard bytes.count >= NetlinkMessage.headerSize, let messages = NetlinkMessage.list(bytes[...]) else {
            throw Refusal(errno: .io)
        }
        return bytes[...].word(8) == sequence ? messages : []
    }

    private static func check(_ answer: NetlinkMessage) throws(Refusal) {
        let code = Int32(bitPattern: answer.word(0))
        if code >= 0 { return }
        var sentence: String?
        if answer.flags & errorHasSentence != 0 {
            // Behind the error come the header of the request, and then attributes: 1 is the sentence.
            let skip = answer.type == errorType ? 4 + NetlinkMessage.headerSize : 4
            sentence = answer.attributes(after: skip)[type: 1]?.text
        }
        throw Refusal(errno: Errno(rawValue: -code), sentence: sentence)
    }
}
