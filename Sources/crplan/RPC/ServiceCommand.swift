import ArgumentParser
import CREngine
import Glibc

extension CRIUCommand {
    /// Answers whoever connects to a socket of the file system, each in a process of its own.
    struct ServiceCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "service",
            abstract: "Serves the RPC of CRIU on a SEQPACKET socket in the file system.")

        @Option(name: .customLong("address"), help: "Path of the socket.")
        var address = "./criu_service.socket"
        @Option(name: .customLong("pidfile"), help: "Write the pid of the service to this file.")
        var pidfile: String?

        func run() throws {
            let service: RPCService
            do throws(Errno) {
                service = try RPCService(address)
            } catch {
                printError("criu service: \(address): cannot be listened on: \(error)")
                throw ExitCode(1)
            }
            if let pidfile {
                do throws(Errno) {
                    try OwnedFD.open(pidfile, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644).writeAll(
                        Array("\(getpid())".utf8))
                } catch {
                    printError("criu service: \(pidfile): cannot be written: \(error)")
                    throw ExitCode(1)
                }
            }
            do throws(Errno) {
                try service.serve(["crplan", "internal", "rpc-client"])
            } catch {
                printError("criu service: \(address): clients are not served any more: \(error)")
                throw ExitCode(1)
            }
        }
    }
}

/// Serves the client of a service, on descriptor 3.
struct RPCClientCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rpc-client", shouldDisplay: false)

    func run() throws {
        throw ExitCode(RPCWorker.run(3, isService: true))
    }
}

/// `criu --version`.
struct CRIUVersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Says whose images these are.")

    func run() {
        let version = CRIUCommand.version
        print("Version: \(version.major).\(version.minor).\(version.sublevel)")
        print("crplan \(Crplan.version)")
    }
}
