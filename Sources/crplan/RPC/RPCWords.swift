import ArgumentParser
import CREngine
import Glibc
import PolicyModel

/// The command line that a request of the RPC stands for.
struct RPCWords {
    let options: RPCOptions
    let peer: PID

    /// The directory of the images, by the client's descriptor or by its path.
    func imagesDirectory() throws(RPCRefusal) -> String {
        let path = options.imagesDescriptor.map(path) ?? options.imagesPath
        guard let path else { throw .options("images_dir_fd -1: and images_dir names no directory") }
        return try directory(path, "images_dir_fd")
    }

    /// Where the log and other files of the work are.
    func workDirectory() throws(RPCRefusal) -> String {
        guard let work = options.workDescriptor else { return try imagesDirectory() }
        return try directory(path(work), "work_dir_fd")
    }

    /// A command by the request's words, then by those of its configuration file. An option that this build does not have
    /// is refused by its name.
    func command<Command: ParsableArguments>(
        _ type: Command.Type, _ name: String, _ words: [String]
    ) throws(RPCRefusal) -> Command {
        var all = ["-D", try imagesDirectory(), "-W", try workDirectory()] + words
        if options.logFile != nil || !options.logsToStandardError {
            all += ["-o", options.logFile ?? "criu.log"]
        }
        all +=
            try options.configFile.map { (file) throws(RPCRefusal) in try CRIUConfigFile.words(file) } ?? []
        all = Array(CRIUSpelling.words([name] + all).dropFirst())
        do {
            return try Command.parse(all)
        } catch {
            var line = Command.message(for: error)
            if let option = CRIUOption.unknown(in: line) {
                line = "\(option): this option of CRIU is not there yet"
            }
            try note(line)
            throw .options(line)
        }
    }

    /// Clients show their users the log and not what the answer says.
    private func note(_ line: String) throws(RPCRefusal) {
        guard options.logFile != nil || !options.logsToStandardError else { return printError(line) }
        let path = try workDirectory() + "/" + (options.logFile ?? "criu.log")
        do throws(NamedPath.Failure) {
            try NamedPath.log(path, level: .error).error(line)
        } catch {
            throw .options("\(line); \(error)")
        }
    }

    private func path(_ descriptor: Int32) -> String { "/proc/\(peer)/fd/\(descriptor)" }

    private func directory(_ path: String, _ name: String) throws(RPCRefusal) -> String {
        var facts = stat()
        guard stat(path, &facts) == 0 else {
            throw .options("\(name): \(path) cannot be opened: \(Errno(rawValue: errno))")
        }
        guard facts.st_mode & S_IFMT == S_IFDIR else {
            throw .options("\(name): \(path) is no directory")
        }
        return path
    }
}
