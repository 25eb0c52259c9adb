import CREngine
import Glibc
import PolicyModel

/// DUMP of CRIU's RPC: `crplan dump` for a client that is asked at each stage.
struct RPCDump {
    let connection: RPCConnection
    let isService: Bool

    func run(_ request: RPCRequest) -> RPCWorker.Outcome {
        var response = RPCResponse(.dump, false)
        response.isRestored = false
        do throws(RPCRefusal) {
            try dump(request)
            response.isSuccess = true
        } catch {
            response.errno = error.errno
            response.message = "\(error)"
        }
        return RPCWorker.Outcome(response: response, code: response.isSuccess ? 0 : 1)
    }

    private func dump(_ request: RPCRequest) throws(RPCRefusal) {
        guard let options = request.options else { throw .options("DUMP: comes without options") }
        if isService, options.needsOwnDescriptors {
            throw .options("DUMP: ps.fd is for workers, and this is a service")
        }
        guard let pid = options.pid else {
            throw .options("DUMP: names no pid, and dumping the client itself is not there yet")
        }
        let words = RPCWords(options: options, peer: connection.peer)
        let command = try words.command(DumpCommand.self, "dump", ["-t", "\(pid)"] + options.dumpWords)
        let log: EngineLog
        do {
            log = try command.openLog()
        } catch {
            throw .options("\(error)")
        }
        defer { log.flush() }
        do {
            try command.dump(log, for: options.notifies ? RPCClient(connection) : nil)
        } catch {
            log.error("\(error)")
            log.error("Dumping FAILED.")
            let isThere = access("/proc/\(pid)", F_OK) == 0
            throw RPCRefusal(description: "\(error)", errno: isThere ? nil : .noProcess)
        }
    }
}
