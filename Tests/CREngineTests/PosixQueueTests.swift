import CPlatform
import Glibc
import Testing

@testable import CREngine

@Suite struct PosixQueueTests {
    private static var queue: PosixQueueImage {
        var queue = PosixQueueImage(number: 3, uid: 1000, gid: 1001, mode: 0o640)
        queue.messages = [
            .init(priority: 32767, bytes: [1, 2, 3]), .init(priority: 0, bytes: []),
            .init(priority: 0, bytes: [UInt8](repeating: 9, count: 16)),
        ]
        (queue.name, queue.isUnlinked) = ("letters", true)
        (queue.mostMessages, queue.largestMessage) = (10, 8192)
        queue.notification = .init(pid: 7, kind: 0, signal: 10, value: 77)
        return queue
    }

    @Test func `a queue comes back from its file and from crplan's own as it was`() throws {
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        try PosixQueueImage.write([Self.queue], namespace: 9, to: fd)
        #expect(try directory.names() == ["ipcns-mqueue-9.img"])
        var read = try PosixQueueImage.read(namespace: 9, in: fd, .twoWords)
        #expect(read[0].messages == Self.queue.messages)
        PosixQueueExtras(Self.queue).apply(to: &read)
        #expect(read == [Self.queue])
        try read[0].check()
    }

    @Test func `a descriptor of a queue is an external file for criu`() throws {
        var file = PosixQueueFileImage(queue: 3, flags: 0o4002)
        file.owner.pid = 12
        #expect(file.asExternal.path == "mqueue[3]" && file.asExternal.isExternal == true)
        #expect(PosixQueueFileImage(file.asExternal) == file)
        var other = file.asExternal
        other.isExternal = nil
        #expect(PosixQueueFileImage(other) == nil)
        other.isExternal = true
        other.path = "mqueue[-1]"
        #expect(PosixQueueFileImage(other) == nil)
    }

    @Test func `what the kernel would not make is refused`() throws {
        let damages: [(inout PosixQueueImage) -> Void] = [
            { $0.name = "" }, { $0.name = "a/b" }, { $0.name = ".." }, { $0.mostMessages = 0 },
            { $0.mostMessages = 2 }, { $0.largestMessage = 15 }, { $0.largestMessage = 1 << 40 },
            { $0.notification?.kind = 2 }, { $0.notification?.signal = 65 },
        ]
        for damage in damages {
            var queue = Self.queue
            damage(&queue)
            #expect(throws: ImageError.self) { try queue.check() }
        }
    }

    /// A queue of this process without a name.
    private static func made(_ most: Int64, _ largest: Int64) throws(Errno) -> OwnedFD {
        let attributes: [Int64] = [0, most, largest, 0, 0, 0, 0, 0]
        let name = Array("crplan-test-\(getpid())".utf8) + [0]
        let flags = Int(O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC)
        let fd = try name.withUnsafeBufferPointer { (name) throws(Errno) -> Int in
            let place = Int(bitPattern: name.baseAddress)
            let fd = try attributes.withUnsafeBufferPointer { (attributes) throws(Errno) in
                try systemCall(CP_SYS_mq_open, place, flags, 0o600, Int(bitPattern: attributes.baseAddress))
            }
            try systemCall(CP_SYS_mq_unlink, place)
            return fd
        }
        return OwnedFD(taking: Int32(fd))
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `messages are read where they are, in their order, and stay`() throws {
        let queue = try Self.made(10, 8192)
        // About the ends of the pages that the kernel puts a message into.
        let sizes = [0, 1, 7, 8, 4047, 4048, 4049, 8136, 8137, 8192]
        var sent: [PosixQueueImage.Message] = []
        for (number, size) in sizes.enumerated() {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
            let message = PosixQueueImage.Message(priority: UInt32(number * 7 % 4), bytes: bytes)
            sent.append(message)
            try bytes.withUnsafeBufferPointer { bytes in
                _ = try systemCall(
                    CP_SYS_mq_timedsend, Int(queue.rawValue), Int(bitPattern: bytes.baseAddress), bytes.count,
                    Int(message.priority), 0)
            }
        }
        let expected = (0...3).reversed().flatMap { priority in sent.filter { $0.priority == priority } }
        let notes = KernelNotes()
        for _ in 0..<2 {
            let note = try #require(notes.posixQueue(of: PID(getpid()), queue.rawValue))
            #expect(note.mostMessages == 10 && note.largestMessage == 8192 && note.messages == 10)
            #expect(note.notification == nil)
            let isSame = try notes.messages(of: note) == expected
            #expect(isSame)
        }
        // Somebody takes one out between the two looks.
        let old = try #require(notes.posixQueue(of: PID(getpid()), queue.rawValue))
        var buffer = [UInt8](repeating: 0, count: 8192)
        try buffer.withUnsafeMutableBufferPointer { bytes in
            _ = try systemCall(
                CP_SYS_mq_timedreceive, Int(queue.rawValue), Int(bitPattern: bytes.baseAddress), bytes.count,
                0,
                0)
        }
        #expect(throws: Errno.io) { try notes.messages(of: old) }
    }

    @Test func `what cannot be carried of a queue is named`() {
        var snapshot = ordinarySnapshot()
        snapshot.systemV.posixQueueDevice = DeviceNumber(254, 0)
        addFile(&snapshot, fd: 5, link: "/q", mode: 0o100600)
        var queue = PosixQueueFacts(
            inode: 42, name: "q", isLinked: true, uid: 0, gid: 0, mode: 0o100600, note: nil)
        #expect(queue.obstacle(in: snapshot)?.contains("CAP_BPF") == true)
        var note = PosixQueueNote(address: 8, mostMessages: 1, largestMessage: 1, messages: 0, bytes: 0)
        queue.note = note
        #expect(queue.obstacle(in: snapshot) == nil)
        note.notification = .init(kind: 0, signal: 10, value: 0, owner: PID(100))
        queue.note = note
        #expect(queue.obstacle(in: snapshot) == nil)
        queue.inode = 43
        #expect(queue.obstacle(in: snapshot)?.contains("has no descriptor") == true)
        queue.inode = 42
        queue.note?.notification?.kind = 2
        #expect(queue.obstacle(in: snapshot)?.contains("SIGEV_THREAD") == true)
        queue.note?.notification?.owner = PID(4)
        #expect(queue.obstacle(in: snapshot)?.contains("not in the tree") == true)
    }
}
