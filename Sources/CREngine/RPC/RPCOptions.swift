import CPlatform
import Glibc

/// What a request of CRIU's RPC asks for: the words of the command line that mean the same, and what no word stands for.
package struct RPCOptions: Equatable, Sendable {
    /// Descriptor of the client; nil where the directory is given by its path.
    package var imagesDescriptor: Int32?
    package var imagesPath: String?
    /// Descriptor of the client; nil for the directory of the images.
    package var workDescriptor: Int32?
    /// Root of the tree to dump; nil for the client itself.
    package var pid: PID?
    /// Plain name in the work directory.
    package var logFile: String?
    package var logsToStandardError = false
    package var notifies = false
    package var restoresAsSibling = false
    /// What the worker becomes once the tree is restored.
    package var program: [String] = []
    /// Whose words come after all others.
    package var configFile: String?
    /// What of the processor is compared.
    package var processorCheck = "all"
    /// Something of it is a descriptor of the worker, which a service does not have.
    package var needsOwnDescriptors = false
    package var dumpWords: [String] = []
    package var restoreWords: [String] = []

    init(_ message: CriuOpts) throws(RPCRefusal) {
        if message.images_dir_fd >= 0 { imagesDescriptor = message.images_dir_fd }
        imagesPath = try Self.text(message.images_dir, "images_dir")
        workDescriptor = given(message.has_work_dir_fd, message.work_dir_fd)
        pid = given(message.has_pid, message.pid).map { PID($0) }
        logFile = try Self.text(message.log_file, "log_file")
        if let logFile, logFile.contains("/") {
            throw .options("log_file \(logFile): is to be a plain name in the work directory")
        }
        logsToStandardError = message.log_to_stderr != 0
        notifies = message.notify_scripts != 0
        restoresAsSibling = message.rst_sibling != 0
        program = try Self.texts(message.exec_cmd, message.n_exec_cmd, "exec_cmd")
        configFile = try Self.text(message.config_file, "config_file")
        needsOwnDescriptors = restoresAsSibling || message.n_inherit_fd > 0 || message.ps?.pointee.has_fd == 1
        try addWords(message)
    }

    /// A string, which must be UTF-8; nil for none and for an empty one, which CRIU takes for none.
    static func text(_ string: UnsafePointer<CChar>?, _ name: String) throws(RPCRefusal) -> String? {
        guard let string else { return nil }
        guard let text = String(validatingCString: string) else {
            throw .options("\(name): is not UTF-8 text")
        }
        return text.isEmpty ? nil : text
    }

    static func texts(
        _ strings: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int, _ name: String
    ) throws(RPCRefusal) -> [String] {
        var found: [String] = []
        for place in 0..<count { found.append(try text(strings?[place], name) ?? "") }
        return found
    }
}
