import CREngine
import Glibc

/// Serves one connection of CRIU's RPC: one request, or several where the client keeps it open.
struct RPCWorker {
    private let connection: RPCConnection
    /// Clients of a service cannot give us descriptors by their numbers.
    private let isService: Bool

    /// What came of a request.
    struct Outcome {
        /// Nil where the connection is closed without a word.
        var response: RPCResponse?
        /// Exit code of a worker whose last request it was, as criu has it.
        var code: Int32 = 0
        /// What the worker becomes after the answer.
        var program: [String] = []
    }

    /// Criu ends with this after what is against the protocol.
    private static let protocolError: Int32 = 255

    /// Serves the connection to its end. Gives the exit code.
    static func run(_ descriptor: Int32, isService: Bool) -> Int32 {
        do throws(Errno) {
            let worker = RPCWorker(connection: try RPCConnection(descriptor), isService: isService)
            return try worker.serve()
        } catch {
            printError("criu swrk: descriptor \(descriptor): no client can be served: \(error)")
            return protocolError
        }
    }

    private func serve() throws(Errno) -> Int32 {
        while true {
            guard let packet = try connection.receive() else { return Self.protocolError }
            let outcome: Outcome
            let keepsOpen: Bool
            do throws(RPCRefusal) {
                guard let request = try RPCRequest(packet) else { return Self.protocolError }
                keepsOpen = request.keepsOpen
                outcome = answer(request)
            } catch {
                keepsOpen = false
                outcome = Self.refused(packet, error)
            }
            guard let response = outcome.response else { return outcome.code }
            try connection.send(response)
            if !outcome.program.isEmpty { return Self.become(outcome.program) }
            if !keepsOpen || outcome.code != 0 { return outcome.code }
        }
    }

    private func answer(_ request: RPCRequest) -> Outcome {
        if request.keepsOpen, !request.kind.mayKeepOpen { return Outcome(code: Self.protocolError) }
        switch request.kind {
        case .empty, .notify: return Outcome(response: RPCResponse(.empty, false), code: Self.protocolError)
        case .dump: return RPCDump(connection: connection, isService: isService).run(request)
        case .restore: return RPCRestore(connection: connection, isService: isService).run(request)
        case .check: return Outcome(response: RPCResponse(.check, KernelCheck.run().isGood))
        case .processorDump, .processorCheck:
            return Outcome(response: RPCProcessor(peer: connection.peer).answer(request))
        case .featureCheck: return Outcome(response: Self.features(request))
        case .version:
            var response = RPCResponse(.version, true)
            response.version = CRIUCommand.version
            return Outcome(response: response)
        case .waitPID: return Outcome(response: Self.wait(request))
        case .preDump, .singlePreDump:
            return Outcome(response: Self.missing(request.kind, request.kind), code: Self.protocolError)
        case .pageServer, .pageServerChild:
            return Outcome(response: Self.missing(request.kind, .pageServer), code: 1)
        }
    }

    /// What CRIU has and this build has not.
    private static func missing(_ kind: RPCKind, _ answer: RPCKind) -> RPCResponse {
        var response = RPCResponse(answer, false)
        response.message = "\(kind.name): this request of CRIU is not there yet"
        return response
    }

    /// The answer to options that cannot be meant, in the kind of the request.
    private static func refused(_ packet: [UInt8], _ refusal: RPCRefusal) -> Outcome {
        // The kind is the first field; a packet whose options were read has one.
        let kind = packet.count > 1 && packet[0] == 8 ? RPCKind(rawValue: UInt32(packet[1])) : nil
        var response = RPCResponse(kind ?? .empty, false)
        if kind == .dump { response.isRestored = false }
        if kind == .restore { response.root = -1 }
        response.errno = refusal.errno
        response.message = "\(refusal)"
        return Outcome(response: response, code: 1)
    }

    /// No dump continues a pre-dump and no page is fetched late, whatever the kernel has for it.
    private static func features(_ request: RPCRequest) -> RPCResponse {
        var response = RPCResponse(.featureCheck, request.features != nil)
        guard let asked = request.features else {
            response.message = "FEATURE_CHECK: names no features"
            return response
        }
        response.mayTrackMemory = asked.tracksMemory.map { _ in false }
        response.hasLazyPages = asked.lazyPages.map { _ in false }
        response.hasPidfdStore = asked.pidfdStore.map { _ in false }
        return response
    }

    /// For children of this worker, which a page server would be.
    private static func wait(_ request: RPCRequest) -> RPCResponse {
        var response = RPCResponse(.waitPID, false)
        guard let pid = request.pid else {
            response.message = "WAIT_PID: names no process"
            return response
        }
        var status: Int32 = 0
        if waitpid(pid.rawValue, &status, 0) == pid.rawValue {
            response.isSuccess = true
            response.status = status
        } else {
            response.message = "WAIT_PID: \(pid) is no child of this worker"
        }
        return response
    }

    /// Only comes back where the program cannot be started.
    private static func become(_ words: [String]) -> Int32 {
        let arguments = words.map { strdup($0) } + [nil]
        _ = execvp(words[0], arguments)
        printError("criu swrk: \(words[0]) cannot be started: \(Errno(rawValue: errno))")
        return 1
    }
}
