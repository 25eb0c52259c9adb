import CPlatform

/// The kinds of requests of CRIU's RPC, by their numbers.
package enum RPCKind: UInt32, Sendable {
    /// None: what answers a packet that is no request.
    case empty = 0
    case dump = 1
    case restore = 2
    case check = 3
    case preDump = 4
    case pageServer = 5
    /// An answer to a notification.
    case notify = 6
    case processorDump = 7
    case processorCheck = 8
    case featureCheck = 9
    case version = 10
    case waitPID = 11
    case pageServerChild = 12
    case singlePreDump = 13

    /// Whether the connection may carry another request after one of this kind (criu-rpc, `keep_open`).
    package var mayKeepOpen: Bool {
        switch self {
        case .pageServer, .pageServerChild, .processorDump, .processorCheck, .featureCheck, .version: true
        case .empty, .dump, .restore, .check, .preDump, .notify, .waitPID, .singlePreDump: false
        }
    }

    /// As the protocol calls it.
    package var name: String {
        switch self {
        case .empty: "EMPTY"
        case .dump: "DUMP"
        case .restore: "RESTORE"
        case .check: "CHECK"
        case .preDump: "PRE_DUMP"
        case .pageServer: "PAGE_SERVER"
        case .notify: "NOTIFY"
        case .processorDump: "CPUINFO_DUMP"
        case .processorCheck: "CPUINFO_CHECK"
        case .featureCheck: "FEATURE_CHECK"
        case .version: "VERSION"
        case .waitPID: "WAIT_PID"
        case .pageServerChild: "PAGE_SERVER_CHLD"
        case .singlePreDump: "SINGLE_PRE_DUMP"
        }
    }
}

/// What a client of CRIU's RPC sends: a request, or its answer to a notification.
package struct RPCRequest: Equatable, Sendable {
    package var kind: RPCKind
    package var options: RPCOptions?
    /// Of an answer to a notification.
    package var notifySuccess = false
    package var keepsOpen = false
    package var features: RPCFeatures?
    package var pid: PID?

    /// Nil for a packet that is no message of the protocol. A kind that this build does not know is `empty`, as no kind
    /// is. Throws what its options ask for and cannot be meant.
    package init?(_ bytes: [UInt8]) throws(RPCRefusal) {
        let unpacked = bytes.withUnsafeBufferPointer { criu_req__unpack(nil, $0.count, $0.baseAddress) }
        guard let unpacked else { return nil }
        defer { criu_req__free_unpacked(unpacked, nil) }
        let message = unpacked.pointee
        kind = RPCKind(rawValue: message.type.rawValue) ?? .empty
        if let options = message.opts { self.options = try RPCOptions(options.pointee) }
        notifySuccess = message.notify_success != 0
        keepsOpen = message.keep_open != 0
        features = (message.features?.pointee).map { RPCFeatures($0) }
        pid = given(message.has_pid, message.pid).map { PID(Int32(bitPattern: $0)) }
    }
}

/// Why a request is not served: one line, and what CRIU has for it in `cr_errno`.
package struct RPCRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    package let errno: Errno?

    /// Options that make no sense, or that this build does not have.
    package static func options(_ line: String) -> RPCRefusal {
        RPCRefusal(description: line, errno: Errno(rawValue: 56))  // EBADRQC
    }

    package init(description: String, errno: Errno? = nil) {
        self.description = description
        self.errno = errno
    }
}

/// What FEATURE_CHECK asks about; nil for what it does not.
package struct RPCFeatures: Equatable, Sendable {
    package var tracksMemory: Bool?
    package var lazyPages: Bool?
    package var pidfdStore: Bool?

    init(_ message: CriuFeatures) {
        func asked(_ has: protobuf_c_boolean, _ value: protobuf_c_boolean) -> Bool? {
            has != 0 && value != 0 ? true : nil
        }
        tracksMemory = asked(message.has_mem_track, message.mem_track)
        lazyPages = asked(message.has_lazy_pages, message.lazy_pages)
        pidfdStore = asked(message.has_pidfd_store, message.pidfd_store)
    }
}
