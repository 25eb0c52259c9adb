import ArgumentParser
import CREngine
import FoundationEssentials
import Glibc
import PolicyModel

/// One checkpoint, from its manifest; or one policy file, with the place of each value.
struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Tells what a checkpoint is of and takes to restore, or what a policy comes to.",
        discussion: """
            What ends in .yaml or .yml, or is a regular file, is taken for a policy: every key is told with its value \
            and with the line that the value came from. Everything else is a checkpoint.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Argument(
        help: "A policy file; or POLICY/TARGET/latest, a path, or the beginning of a name.",
        completion: .file(extensions: ["yaml", "yml"]))
    var subject: String
    @OptionGroup var store: StoreArguments
    @Option(help: "Of a policy: text or json.") var format = Format.text

    func run() throws {
        if isPolicy {
            let policies = try PolicyArguments.parse([subject]).load()
            switch format {
            case .text:
                let text = EffectivePolicyText(terminal: .output)
                print(policies.map(text.render).joined(separator: "\n\n"))
            case .json: print(try EffectivePolicyText.json(policies), terminator: "")
            }
            return
        }
        if format == .json {
            throw ValidationError("--format json is for policies; a checkpoint's manifest is JSON")
        }
        try showCheckpoint()
    }

    private var isPolicy: Bool {
        if subject.hasSuffix(".yaml") || subject.hasSuffix(".yml") { return true }
        var status = stat()
        return stat(subject, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    private func showCheckpoint() throws {
        let found = try store.resolve(subject)
        let manifest = try orFail { () throws(StoreError) in try found.manifest() }
        let terminal = Terminal.output
        print(terminal.paint(found.id, .bold))
        let facts = [
            ("path", found.path), ("policy", "\(manifest.policy.name)  \(manifest.policy.digest)"),
            ("made", "\(manifest.created.formatted(.iso8601)) by crplan \(manifest.madeBy)"),
            (
                "host",
                "\(manifest.host.name), Linux \(manifest.host.kernelRelease), \(manifest.host.cpuModel)"
            ),
            ("after", manifest.after.rawValue),
            ("parent", manifest.parent?.text ?? "none, a full dump"),
            (
                "size",
                "\(Size.text(manifest.bytes)) in \(Counted.text(manifest.files.count, "file", "files"))"
            ),
            (
                "pause",
                "\(Pause.text(microseconds: manifest.times.freezing)) to freeze, "
                    + "\(Pause.text(microseconds: manifest.times.frozen)) frozen"
            ),
        ]
        for (name, value) in facts {
            print(
                "  \(name)\(String(repeating: " ", count: 8 - name.count))" + terminal.wrap(value, indent: 10)
            )
        }
        print("  tree")
        for task in manifest.tree {
            let threads = Counted.text(task.threads, "thread", "threads")
            print("    \(task.comm)[\(task.pid)]  \(task.exe ?? "ended")  \(threads)")
        }
        if manifest.allowed.isEmpty { return }
        print("  allowed")
        for item in manifest.allowed {
            print("    \(item.code) \(item.object)" + (item.atRestore.map { ": \($0)" } ?? ""))
        }
    }
}
