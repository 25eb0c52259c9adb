import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

extension ScheduleKeeper: ExpressibleByArgument {}

/// Whose directory schedules go to.
struct KeeperArguments: ParsableArguments {
    @Option(name: .customLong("to"), help: "Who starts the runs.") var keeper: ScheduleKeeper
    @Option(help: "Instead of /etc/cron.d or /etc/systemd/system.", completion: .directory)
    var directory: String?

    var installer: ScheduleInstaller { ScheduleInstaller(keeper, directory: directory) }

    /// What systemd still has to be told; it reads its own directories only.
    func printNext(_ verb: String, timers: [String]) {
        guard keeper == .systemd, directory == nil, !timers.isEmpty else { return }
        print("next: systemctl daemon-reload && systemctl \(verb) --now \(timers.joined(separator: " "))")
    }
}

/// Hands schedules over.
struct ScheduleInstallCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install", abstract: "Hands the schedules of policies to cron or systemd.",
        discussion: """
            What is there already stays as it is, and what a changed policy makes different is replaced. A file that \
            crplan did not write, or that was changed by hand, is left alone: exit 1.
            """)

    @OptionGroup var policies: PolicyArguments
    @OptionGroup var keeper: KeeperArguments

    func run() throws {
        var timers: [String] = []
        for handover in try Handovers.of(policies) {
            let changes = try orFail { () throws(ScheduleError) in try keeper.installer.install(handover) }
            for (file, change) in changes { print("\(change.rawValue) \(file)") }
            if changes.contains(where: { $0.1 != .unchanged }) {
                timers.append(ScheduleKeeper.systemd.fileNames(for: handover.policy.name)[1])
            }
        }
        keeper.printNext("enable", timers: timers)
    }
}

/// Takes schedules back.
struct ScheduleRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Takes the schedule of a policy from cron or systemd.",
        discussion: "What is not there is told, and is no error: exit 0.")

    @Argument(help: "The policy's name, or its file.") var policy: String
    @OptionGroup var keeper: KeeperArguments

    func run() throws {
        var timers: [String] = []
        for name in try PolicyName.resolve(policy) {
            let changes = try orFail { () throws(ScheduleError) in try keeper.installer.remove(policy: name) }
            for (file, change) in changes {
                print(change == .absent ? "\(file) is not there" : "\(change.rawValue) \(file)")
            }
            if changes.contains(where: { $0.1 == .removed }) {
                timers.append(ScheduleKeeper.systemd.fileNames(for: name)[1])
            }
        }
        keeper.printNext("disable", timers: timers)
    }
}

/// Which schedules are handed over.
struct ScheduleListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Tells which schedules cron or systemd have from crplan.")

    @Argument(
        help: "Policy files, or directories of them, to compare with; without, all that is there.",
        completion: .file(extensions: ["yaml", "yml"]))
    var files: [String] = []
    @OptionGroup var keeper: KeeperArguments

    func run() throws {
        let installer = keeper.installer
        var rows: [(policy: String, state: String)] = []
        if files.isEmpty {
            let found = try orFail { () throws(ScheduleError) in try installer.installed() }
            rows = found.map { ($0.policy, $0.1 == .outdated ? "installed" : Self.text($0.1)) }
        } else {
            for handover in try Handovers.of(PolicyArguments.parse(files)) {
                let state = try orFail { () throws(ScheduleError) in try installer.state(of: handover) }
                rows.append((handover.policy.name, Self.text(state)))
            }
        }
        if rows.isEmpty { print("no schedules in \(installer.directory)") }
        let width = rows.map(\.policy.count).max() ?? 0
        for row in rows {
            print(row.policy + String(repeating: " ", count: width - row.policy.count) + "  \(row.state)")
        }
    }

    private static func text(_ state: ManagedFile.State) -> String {
        switch state {
        case .absent: "not installed"
        case .current: "installed, up to date"
        case .outdated: "installed, out of date; run `crplan schedule install` again"
        case .edited: "changed by hand"
        case .foreign: "not written by crplan"
        }
    }
}

/// The schedules of policy files, as they are handed over.
enum Handovers {
    /// Exit 78 where a policy has no schedule.
    static func of(_ arguments: PolicyArguments) throws -> [ScheduleHandover] {
        let policies = try arguments.load()
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return try policies.map { policy in
            ScheduleHandover(
                policy: policy, times: try scheduleTimes(of: policy), program: program,
                file: absolute(policy.source.file),
                isOneOfSeveral: policies.count { $0.source.file == policy.source.file } > 1, now: .now)
        }
    }

    /// Not resolved: a link is how the operator wants to call it.
    private static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        let here = FileManager.default.currentDirectoryPath
        return here == "/" ? "/" + path : here + "/" + path
    }
}

/// A policy by name, or those of a file.
enum PolicyName {
    static func resolve(_ argument: String) throws -> [String] {
        guard isFile(argument) else { return [argument] }
        return try PolicyArguments.parse([argument]).load().map(\.name)
    }

    static func isFile(_ argument: String) -> Bool {
        argument.contains("/") || argument.hasSuffix(".yaml") || argument.hasSuffix(".yml")
    }
}
