/// One kind of kernel object that a descriptor can refer to: all that there is to know of it.
///
/// The halves that read the object's contents and make it again are the dump's and the restore's; what they need of a
/// scan is the kind's `State`.
package protocol FileKind {
    /// What recognition tells of one object, beyond what every open file has.
    associatedtype State: Equatable & Sendable
    static var tag: FileTag { get }
    /// The state of an open file of this kind; nil for another kind.
    static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State?
    /// What would be lost or would lead out of the tree; nothing where it is carried whole.
    static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding]
}

/// Names of all kinds, as reports give them.
package enum FileTag: String, CaseIterable, Sendable, Codable {
    case regularFile = "file"
    case directory
    case memoryDevice = "memory-device"
    case pipe
    case fifo
    case terminal
    case device
    case unixSocket = "unix-socket"
    case tcpSocket = "tcp-socket"
    case udpSocket = "udp-socket"
    case rawSocket = "raw-socket"
    case packetSocket = "packet-socket"
    case netlinkSocket = "netlink-socket"
    case otherSocket = "socket"
    case memfd
    case eventFD = "eventfd"
    case epoll
    case signalFD = "signalfd"
    case timerFD = "timerfd"
    case inotify
    case fanotify
    case pidFD = "pidfd"
    case namespaceFD = "namespace"
    case ioURing = "io_uring"
    case perfEvent = "perf-event"
    case userfaultFD = "userfaultfd"
    case bpf
    case messageQueue = "message-queue"
    case pseudoFile = "pseudo-file"
    case pathOnly = "path-only"
    case anonymousInode = "anonymous-inode"
    case unknown
}

/// A kind as a row of `FileTable`: recognition and scan rule with the state's type erased.
package struct FileKindRow: Sendable {
    package let tag: FileTag
    /// Nil where the file is of another kind.
    package let findings: @Sendable (OpenFile, ScanContext) -> [Finding]?
    package let recognises: @Sendable (OpenFile, Snapshot) -> Bool

    package init<Kind: FileKind & SendableMetatype>(_ kind: Kind.Type) {
        tag = kind.tag
        recognises = { kind.recognise($0, in: $1) != nil }
        findings = { file, context in
            kind.recognise(file, in: context.snapshot).map { kind.findings($0, of: file, in: context) }
        }
    }
}

/// Every kind, the special before the general: the first row that recognises a file decides.
package enum FileTable {
    package static let rows: [FileKindRow] = [
        // A mere name, of whatever.
        FileKindRow(PathOnly.self),
        // What names of the kernel tell.
        FileKindRow(EventFD.self), FileKindRow(Epoll.self), FileKindRow(SignalFD.self),
        FileKindRow(TimerFD.self), FileKindRow(Inotify.self), FileKindRow(Fanotify.self),
        FileKindRow(ProcessFD.self), FileKindRow(IOURing.self), FileKindRow(PerfEvent.self),
        FileKindRow(UserfaultFD.self), FileKindRow(BPFObject.self), FileKindRow(AnonymousInode.self),
        FileKindRow(NamespaceFD.self), FileKindRow(Memfd.self),
        // Sockets and pipes.
        FileKindRow(UnixSocket.self), FileKindRow(TCPSocket.self), FileKindRow(UDPSocket.self),
        FileKindRow(RawSocket.self), FileKindRow(PacketSocket.self), FileKindRow(NetlinkSocket.self),
        FileKindRow(OtherSocket.self), FileKindRow(Pipe.self),
        // What has a path, by file system and type.
        FileKindRow(MessageQueue.self), FileKindRow(PseudoFile.self),
        FileKindRow(Fifo.self), FileKindRow(MemoryDevice.self), FileKindRow(Terminal.self),
        FileKindRow(Device.self), FileKindRow(Directory.self), FileKindRow(RegularFile.self),
        FileKindRow(UnknownFile.self),
    ]

    /// The row of an open file; the last one takes what no other does.
    package static func row(of file: OpenFile, in snapshot: Snapshot) -> FileKindRow {
        rows.first { $0.recognises(file, snapshot) } ?? FileKindRow(UnknownFile.self)
    }

    package static func tag(of file: OpenFile, in snapshot: Snapshot) -> FileTag {
        row(of: file, in: snapshot).tag
    }
}
