import CREngine
import Glibc

/// CPUINFO_DUMP and CPUINFO_CHECK of CRIU's RPC: this processor into `cpuinfo.img`, or against one.
struct RPCProcessor {
    let peer: PID

    func answer(_ request: RPCRequest) -> RPCResponse {
        var response = RPCResponse(request.kind, false)
        do {
            guard let options = request.options else {
                throw RPCRefusal.options("\(request.kind.name): comes without options")
            }
            let path = try RPCWords(options: options, peer: peer).imagesDirectory()
            let directory = try NamedPath.directory(path)
            let own = ProcessorImage.ofThisMachine()
            if request.kind == .processorDump {
                try own.write(to: directory)
            } else {
                guard let image = try ProcessorImage.read(from: directory) else {
                    throw RPCRefusal(description: "\(path): has no cpuinfo.img")
                }
                let check = ProcessorCheck(words: options.processorCheck) ?? .all
                if let problem = image.problems(on: own, check).first {
                    throw RPCRefusal(description: "this processor \(problem)")
                }
            }
            response.isSuccess = true
        } catch {
            response.message = "\(error)"
            response.errno = (error as? RPCRefusal)?.errno
        }
        return response
    }
}
