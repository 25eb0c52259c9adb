import ArgumentParser
import CREngine
import Glibc
import PolicyModel

/// Writes a tree into an image directory, with CRIU's spellings of the options.
struct DumpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "Checkpoints a process tree into an image directory.")

    @Option(name: [.customShort("t"), .customLong("tree")], help: "Root of the tree.")
    var root: Int32
    @Option(name: [.customShort("D"), .customLong("images-dir")], help: "Directory of the images.")
    var imagesDirectory = "."
    @Option(name: [.customShort("W"), .customLong("work-dir")], help: "Directory of log and statistics.")
    var workDirectory: String?
    @Flag(name: [.customShort("R"), .customLong("leave-running")], help: "Let the tree run on.")
    var leaveRunning = false
    @Flag(name: [.customShort("s"), .customLong("leave-stopped")], help: "Leave the tree stopped.")
    var leaveStopped = false
    @Option(name: [.customShort("o"), .customLong("log-file")], help: "Log file, in the work directory.")
    var logFile: String?
    @Option(
        name: .customLong("ghost-limit"),
        help: "Largest deleted file that is taken along: bytes, or with K, M, G.")
    var ghostLimit = "1M"
    @Flag(
        name: [.customShort("j"), .customLong("shell-job")],
        help: "The session leader and the master of the terminal may stay outside.")
    var shellJob = false
    @Flag(name: .customLong("orphan-pts-master"), help: .hidden)
    var orphanMasters = false
    @Flag(name: .customLong("link-remap"), help: "Link files that lost their name and have others.")
    var linkRemap = false
    @Flag(
        name: .customLong("evasive-devices"), help: "A device may be opened by another name of its number.")
    var evasiveDevices = false
    @Option(
        name: .customLong("external"),
        help: "A resource that stays outside, in criu's spelling; may be given again.")
    var external: [String] = []
    @Flag(
        name: [.customShort("l"), .customLong("file-locks")], help: "Take locks and leases on files along.")
    var fileLocks = false
    @Flag(
        name: .customLong("force-irmap"),
        help: "Search for the paths of watched files even where a file handle leads to them.")
    var forcesWatchSearch = false
    @Option(
        name: .customLong("irmap-scan-path"),
        help: "Directory to search for watched files; may be given again.")
    var watchSearchPaths: [String] = []
    @Flag(
        name: .customLong("tcp-established"), help: "Carry TCP connections to the outside; they stay locked.")
    var tcpEstablished = false
    @Flag(name: .customLong("tcp-close"), help: "Carry TCP connections to the outside as closed ones.")
    var tcpClose = false
    @Flag(
        name: .customLong("skip-in-flight"),
        help: "Leave out TCP connections that are being made or wait for accept(2).")
    var skipsInFlight = false
    @Option(name: .customLong("network-lock"), help: "How connections are held: nftables, iptables or skip.")
    var networkLock = "nftables"
    @Option(
        name: .customLong("manage-cgroups"),
        help:
            "What images say of control groups: ignore, or what =none, props, soft, full and strict of a restore need."
    )
    var manageCgroups = "soft"
    @OptionGroup var cgroupArguments: CgroupArguments
    @OptionGroup var mountArguments: MountArguments
    @OptionGroup var network: NetworkArguments
    @OptionGroup(visibility: .hidden) var restoreOnly: RestoreOnlyOptions
    @Option(
        name: .customLong("freeze-cgroup"),
        help: "Directory of a control group to freeze while the tree is seized.")
    var freezeCgroup: String?
    @Option(
        name: .customLong("cpu-cap"),
        help: "Take down what the processor can do, unless it is none.")
    var cpuCap: String?
    @Option(name: .customLong("file-validation"), help: "filesize or buildid: what of files is taken down.")
    var fileValidation = "buildid"
    @Option(
        name: .customLong("action-script"),
        help: "Program or shell command to call at criu's stages; may be given again.")
    var actionScripts: [String] = []
    @Flag(
        name: [.customShort("x"), .customLong("ext-unix-sk")],
        help: "Let datagram sockets have servers outside; =INODE[,INODE…]: let any socket of that inode.")
    var allowsOutsideServers = false
    @Option(name: .customLong("ext-unix-sk-of"), help: .hidden)
    var socketsWithOutsideServers: [String] = []
    @Option(
        name: .customLong("prev-images-dir"),
        help: "Earlier images that this dump continues, as seen from the image directory.")
    var previousImages: String?
    @Flag(name: .customLong("track-mem"), help: "Let a later dump continue this one.")
    var tracksMemory = false
    @Option(name: .customLong("timeout"), help: "Seconds to stop the whole tree.")
    var timeout: UInt64 = 10
    @Option(name: [.customShort("v", allowingJoined: true), .customLong("verbosity")], help: "0 to 4.")
    var verbosity = 2

    func validate() throws {
        guard root > 0 else { throw ValidationError("-t takes the pid of the tree's root") }
        guard (0...4).contains(verbosity) else { throw ValidationError("-v takes 0 to 4") }
        guard timeout > 0 else { throw ValidationError("--timeout takes a number of seconds above 0") }
        guard socketInodes.allSatisfy({ UInt64($0) != nil }) else {
            throw ValidationError("--ext-unix-sk= takes inode numbers of sockets, with commas between")
        }
        guard DumpSettings.NetworkLock(rawValue: networkLock) != nil else {
            throw ValidationError("--network-lock takes nftables, iptables or skip, not \(networkLock)")
        }
        guard DumpSettings.Cgroups(rawValue: manageCgroups) != nil else {
            throw ValidationError(CRIUSpelling.cgroupRefusal(manageCgroups))
        }
        if let cpuCap, ProcessorCheck(words: cpuCap) == nil {
            throw ValidationError(CRIUSpelling.processorRefusal(cpuCap))
        }
        guard ["filesize", "buildid"].contains(fileValidation) else {
            throw ValidationError("--file-validation takes filesize or buildid")
        }
        guard !(tcpEstablished && tcpClose) else {
            throw ValidationError("--tcp-established and --tcp-close exclude each other")
        }
        guard !(leaveRunning && leaveStopped) else { throw ValidationError("-R and -s exclude each other") }
        for resource in external + mountArguments.external {
            guard let why = ExternalResource.refusal(resource) else { continue }
            throw ValidationError("--external \(resource) \(why)")
        }
        guard Self.bytes(ghostLimit) != nil else {
            throw ValidationError(
                "--ghost-limit takes a number with K, M, G or nothing behind it, not \(ghostLimit)")
        }
    }

    func run() throws {
        let log = try openLog()
        do {
            try dump(log, for: nil)
        } catch {
            log.error("\(error)")
            log.error("Dumping FAILED.")
            log.flush()
            if logFile != nil {
                let terminal = EngineLog(descriptor: 2, level: .error)
                terminal.error("\(error)")
                terminal.flush()
            }
            throw ExitCode(1)
        }
    }

    /// Dumps. `client` asked for it by RPC, and is asked at each stage.
    func dump(_ log: EngineLog, for client: (any StageClient)?) throws {
        let directory = try NamedPath.directory(imagesDirectory)
        var options = DumpOptions(
            root: PID(root), after: leaveRunning ? .leaveRunning : leaveStopped ? .leaveStopped : .kill)
        options.freezeTimeout = timeout * 1000
        options.ghostLimit = Self.bytes(ghostLimit) ?? 0
        var policy = Policy(name: "dump")
        policy.allow.ghostLimit = .bytes(ByteCount(options.ghostLimit))
        options.previousImages = previousImages
        options.tracksMemory = tracksMemory
        options.forcesWatchSearch = forcesWatchSearch
        options.watchSearchPaths = watchSearchPaths
        if fileLocks { policy.allow.fileLocks = .any }
        policy.allow.shellJob = shellJob
        if orphanMasters { policy.allow.orphanMasters = true }
        policy.allow.linkRemap = linkRemap
        policy.allow.evasiveDevices = evasiveDevices ? .all : .denied
        policy.allow.external = external + mountArguments.external
        if allowsOutsideServers { policy.allow.extUnixSockets = .all }
        policy.allow.external += socketInodes.map { "unix[\($0)]" }
        if tcpEstablished { policy.allow.tcpEstablished = .all }
        if tcpClose {
            var rule = TCPRule()
            rule.action = .close
            policy.allow.tcpEstablished = .rules([rule])
        }
        if skipsInFlight { policy.allow.tcpInFlight = .skip }
        options.allow = policy.allow
        options.emptiesNetwork = network.emptiesNetwork
        options.networkLock = DumpSettings.NetworkLock(rawValue: networkLock) ?? .nftables
        options.cgroups = DumpSettings.Cgroups(rawValue: manageCgroups) ?? .soft
        options.cgroupChoice = try cgroupArguments.choice()
        options.freezeCgroup = freezeCgroup
        options.notesProcessor = cpuCap.flatMap { ProcessorCheck(words: $0) }?.isEmpty == false
        options.findsBuildIDs = fileValidation == "buildid"
        let protected = ProcessList.ourAncestry()
        // As criu has it, the one that was given last comes first.
        let scripts = ActionScripts(
            actionScripts.reversed(), imageDirectory: directory.rawValue,
            workDirectory: try Self.absolute(workDirectory ?? imagesDirectory), client: client
        ) { log.info($0) }
        options.writesWhileFrozen = !scripts.isEmpty
        // What a client takes for external is not known before it was asked.
        var isKnown = client == nil
        var isOwedUnlock = false
        // Whoever locked the network of a namespace of its own is told where the tree runs on.
        var runsOn = true
        defer {
            if isOwedUnlock, runsOn {
                do throws(HookFailure) {
                    try scripts.call(.networkUnlock, root: PID(root))
                } catch {
                    log.error("\(error)")
                }
            }
        }
        _ = try DumpExecutor(options: options, log: log).run(into: directory) {
            (snapshot) throws(DumpError) in
            guard isKnown else { return }
            try Self.judge(DumpPlanner.findings(policy, snapshot, protected: protected), log)
        } call: { (stage, _) throws(DumpError) in
            try Self.calling { () throws(HookFailure) in
                if stage == .beforeFreeze { try scripts.call(.preDump, root: PID(root)) }
                if stage == .imagesComplete { try scripts.call(.postDump, root: PID(root)) }
            }
        } alsoExternal: { (snapshot) throws(DumpError) -> [String] in
            let more = try Self.calling { () throws(HookFailure) -> [String] in
                if snapshot.ownNamespaceKinds.contains(.net) {
                    isOwedUnlock = true
                    try scripts.call(.networkLock, root: PID(root))
                }
                return try scripts.externalResources()
            }
            if let refused = more.first(where: { ExternalResource.refusal($0) != nil }) {
                throw .cannotCarry("external \(refused) \(ExternalResource.refusal(refused) ?? "")")
            }
            policy.allow.external += more
            isKnown = true
            return more
        }
        runsOn = options.after == .leaveRunning
    }

    private static func calling<Value>(
        _ body: () throws(HookFailure) -> Value
    ) throws(DumpError) -> Value {
        do throws(HookFailure) {
            return try body()
        } catch {
            throw .hook(error)
        }
    }

    /// Of sockets of the tree, as `--ext-unix-sk=INODE` gives them.
    private var socketInodes: [Substring] { socketsWithOutsideServers.flatMap { $0.split(separator: ",") } }

    /// Logs everything that a dump of the frozen tree cannot carry, and refuses if there is any.
    private static func judge(_ findings: [Finding], _ log: EngineLog) throws(DumpError) {
        let lines = findings.filter { $0.severity == .block }.map(\.line)
        guard let first = lines.first else { return }
        for line in lines.dropFirst() { log.error(line) }
        throw .cannotCarry(first)
    }

    /// A directory's path from the root.
    static func absolute(_ path: String) throws -> String {
        guard let full = realpath(path, nil) else { throw Errno(rawValue: errno) }
        defer { free(full) }
        return String(cString: full)
    }

    func openLog() throws -> EngineLog {
        let level = EngineLog.Level(rawValue: max(verbosity, 1)) ?? .warning
        guard let logFile else { return EngineLog(descriptor: 2, level: level) }
        let path = logFile.hasPrefix("/") ? logFile : (workDirectory ?? imagesDirectory) + "/" + logFile
        return try NamedPath.log(path, level: level)
    }

    /// CRIU's sizes: a number of bytes, or of units of 1024.
    static func bytes(_ text: String) -> UInt64? {
        let shifts: [Character: UInt64] = ["K": 10, "M": 20, "G": 30]
        guard let last = text.last else { return nil }
        guard let shift = shifts[last] else { return UInt64(text) }
        guard let number = UInt64(text.dropLast()), number < 1 << 33 else { return nil }
        return number << shift
    }
}
