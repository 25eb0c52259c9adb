import ArgumentParser
import CREngine
import Glibc

/// Brings a tree back from an image directory, with CRIU's spellings of the options.
struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Restores a process tree from an image directory.")

    @Option(name: [.customShort("D"), .customLong("images-dir")], help: "Directory of the images.")
    var imagesDirectory = "."
    @Option(
        name: [.customShort("W"), .customLong("work-dir")], help: "Directory of log, pidfile and statistics.")
    var workDirectory: String?
    @Flag(name: [.customShort("d"), .customLong("restore-detached")], help: "Do not wait for the tree.")
    var isDetached = false
    @Flag(
        name: [.customShort("S"), .customLong("restore-sibling")], help: "Make the root a sibling of crplan.")
    var isSibling = false
    @Flag(name: [.customShort("s"), .customLong("leave-stopped")], help: "Leave the tasks stopped.")
    var leaveStopped = false
    @Option(name: [.customShort("o"), .customLong("log-file")], help: "Log file, in the work directory.")
    var logFile: String?
    @Option(name: .customLong("pidfile"), help: "Write the root's pid to this file.")
    var pidfile: String?
    @Option(name: .customLong("timeout"), help: "Give up after this many seconds.")
    var timeout = 0
    @Option(name: .customLong("file-validation"), help: "filesize or buildid.")
    var fileValidation = "buildid"
    @Flag(name: .customLong("skip-file-rwx-check"), help: "Do not compare permission bits of files.")
    var skipsModeCheck = false
    @Option(name: [.customShort("v", allowingJoined: true), .customLong("verbosity")], help: "0 to 4.")
    var verbosity = 2

    func validate() throws {
        guard (0...4).contains(verbosity) else { throw ValidationError("-v takes 0 to 4") }
        guard ["filesize", "buildid"].contains(fileValidation) else {
            throw ValidationError("--file-validation takes filesize or buildid")
        }
        guard timeout >= 0 else { throw ValidationError("--timeout takes a number of seconds") }
    }

    func run() throws {
        if !isDetached { AttachedRoot.prepare() }
        let log = try openLog()
        let restored: RestoredTree
        do {
            restored = try restore(log)
        } catch {
            log.error("\(error)")
            log.error("Restoring FAILED.")
            if logFile != nil { EngineLog(descriptor: 2, level: .error).error("\(error)") }
            log.flush()
            throw ExitCode(1)
        }
        log.info("Restore finished successfully. Tasks resumed.")
        log.flush()
        if isDetached || isSibling { return }
        switch try AttachedRoot.wait(for: restored.root) {
        case .exited(let code): throw ExitCode(code)
        case .killed(let signal): throw ExitCode(128 + signal)
        }
    }

    private func restore(_ log: EngineLog) throws -> RestoredTree {
        let directory = try OwnedFD.open(imagesDirectory, O_RDONLY | O_DIRECTORY)
        let tree = try ImageSet.read(from: directory)
        var options = RestoreOptions()
        options.parent = isSibling ? .sibling : isDetached ? .detached : .caller
        options.leaveStopped = leaveStopped
        options.pidfile = pidfile.map(inWorkDirectory)
        options.timeout = timeout
        options.fileCheck = fileValidation == "filesize" ? .size : .buildID
        options.skipsModeCheck = skipsModeCheck
        let executor = RestoreExecutor(tree: tree, directory: directory, options: options, log: log)
        let restored = try executor.restore()
        var stats = RestoreStatsImage()
        stats.forkingTime = UInt32(clamping: restored.forkingTime)
        stats.restoreTime = UInt32(clamping: restored.restoreTime)
        stats.pagesRestored = restored.pagesRestored
        do {
            try stats.write(to: try OwnedFD.open(workDirectory ?? imagesDirectory, O_RDONLY | O_DIRECTORY))
        } catch {
            // The tree runs; statistics that cannot be written do not make it fail.
            log.warning("\(error)")
        }
        return restored
    }

    private func openLog() throws -> EngineLog {
        let level = EngineLog.Level(rawValue: max(verbosity, 1)) ?? .warning
        guard let logFile else { return EngineLog(descriptor: 2, level: level) }
        return try EngineLog(path: inWorkDirectory(logFile), level: level)
    }

    private func inWorkDirectory(_ path: String) -> String {
        path.hasPrefix("/") ? path : (workDirectory ?? imagesDirectory) + "/" + path
    }
}
