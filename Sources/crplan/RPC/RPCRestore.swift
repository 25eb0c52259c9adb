import CREngine
import Glibc

/// RESTORE of CRIU's RPC: `crplan restore` for a client that is asked at each stage.
struct RPCRestore {
    let connection: RPCConnection
    let isService: Bool

    func run(_ request: RPCRequest) -> RPCWorker.Outcome {
        var response = RPCResponse(.restore, false)
        let client = request.options?.notifies == true ? RPCClient(connection) : nil
        do throws(RPCRefusal) {
            response.root = try restore(request, client).rawValue
            response.isSuccess = true
        } catch {
            // As criu has it: whoever was told of a root is told that it is this one which failed.
            response.root = client?.root?.rawValue ?? -1
            response.errno = error.errno
            response.message = "\(error)"
            return RPCWorker.Outcome(response: response, code: 1)
        }
        return RPCWorker.Outcome(response: response, program: request.options?.program ?? [])
    }

    private func restore(_ request: RPCRequest, _ client: RPCClient?) throws(RPCRefusal) -> PID {
        guard let options = request.options else { throw .options("RESTORE: comes without options") }
        if isService, options.needsOwnDescriptors {
            throw .options("RESTORE: rst_sibling and inherit_fd are for workers, and this is a service")
        }
        let words = RPCWords(options: options, peer: connection.peer)
        // Who executes a program afterwards stays the parent.
        let parent = options.program.isEmpty ? ["-d"] : []
        let command = try words.command(RestoreCommand.self, "restore", parent + options.restoreWords)
        let log: EngineLog
        do {
            log = try command.openLog()
        } catch {
            throw .options("\(error)")
        }
        defer { log.flush() }
        do {
            let root = try command.restoreImages(log, for: client)
            log.info("Restore finished successfully. Tasks resumed.")
            return root
        } catch {
            log.error("\(error)")
            log.error("Restoring FAILED.")
            throw RPCRefusal(description: "\(error)", errno: (error as? RestoreError)?.code)
        }
    }
}
