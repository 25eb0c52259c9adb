/// The client of a dump or restore, asked at each stage whether to go on, as CRIU's RPC has it.
package final class RPCClient: StageClient {
    private let connection: RPCConnection
    /// The root that it was last told of.
    package private(set) var root: PID?

    package init(_ connection: RPCConnection) { self.connection = connection }

    package func tell(
        _ stage: ActionScripts.Stage, root: PID?, lending descriptor: Int32?
    ) throws(HookFailure) {
        let isTold = stage == .setupNamespaces || stage == .postRestore
        if isTold { self.root = root }
        _ = try ask(stage.rawValue, isTold ? root : nil, descriptor)
    }

    /// Resources that the client wants to be taken for external, now that the tree is frozen.
    package func externalResources() throws(HookFailure) -> [String] {
        let words = try ask("query-ext-files", nil, nil).options?.dumpWords ?? []
        let option = "--external="
        return words.filter { $0.hasPrefix(option) }.map { String($0.dropFirst(option.count)) }
    }

    private func ask(_ stage: String, _ root: PID?, _ descriptor: Int32?) throws(HookFailure) -> RPCRequest {
        func failure(_ fact: String) -> HookFailure {
            HookFailure(subject: "RPC client at \(stage)", fact: fact, effect: .fail)
        }
        var notification = RPCResponse(.notify, true)
        notification.stage = stage
        notification.stagePID = root
        let packet: [UInt8]?
        do throws(Errno) {
            try connection.send(notification, lending: descriptor)
            packet = try connection.receive()
        } catch {
            throw failure("cannot be asked: \(error)")
        }
        guard let packet else { throw failure("is gone") }
        let answer: RPCRequest?
        do throws(RPCRefusal) {
            answer = try RPCRequest(packet)
        } catch {
            throw failure("answered with \(error)")
        }
        guard let answer, answer.kind == .notify else { throw failure("answered with another message") }
        guard answer.notifySuccess else { throw failure("reported a failure") }
        return answer
    }
}
