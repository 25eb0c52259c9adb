import ArgumentParser
import CREngine
import Glibc

/// What programs find that call `criu`: container runtimes start `criu swrk FD` and speak its RPC.
struct CRIUCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "criu", abstract: "Stands in for criu, for programs that call it.",
        discussion: """
            A link named criu to crplan does the same: `ln -s "$(command -v crplan)" DIRECTORY/criu`, and DIRECTORY first on \
            the PATH of runc. `criu dump`, `restore` and `check` are those of crplan.
            """,
        subcommands: [WorkerCommand.self, ServiceCommand.self, CRIUVersionCommand.self])

    /// The release of CRIU whose images and protocol these are.
    static let version = RPCResponse.Version(major: 4, minor: 2, sublevel: 1)

    /// The words of a command line that was meant for criu: after the name `criu`, or behind that word. Nil for another one.
    static func words(_ name: String, _ words: [String]) -> [String]? {
        let isLink = name.split(separator: "/").last == "criu"
        guard isLink || words.first == "criu" else { return nil }
        var rest = isLink ? words : Array(words.dropFirst())
        // Where criu has its version: as an option, at any place.
        if rest.contains("--version") || rest.contains("-V") { return ["criu", "version"] }
        let plumbing = ["dump", "restore", "check"]
        if let place = rest.firstIndex(where: plumbing.contains) {
            return [rest.remove(at: place)] + rest
        }
        return ["criu"] + rest
    }

    /// Answers one client on a socket that it was started with.
    struct WorkerCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "swrk", abstract: "Serves the RPC of CRIU on an inherited SEQPACKET socket.")

        @Argument(help: "Number of the descriptor.") var descriptor: Int32

        func run() throws {
            throw ExitCode(RPCWorker.run(descriptor, isService: false))
        }
    }
}
