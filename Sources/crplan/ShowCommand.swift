import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// One checkpoint, from its manifest.
struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Tells what a checkpoint is of and what a restore of it takes.")

    @Argument(help: "POLICY/TARGET/latest, a path, or the beginning of a name.") var checkpoint: String
    @OptionGroup var store: StoreArguments

    func run() throws {
        let found = try store.resolve(checkpoint)
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
            print("  \(name)\(String(repeating: " ", count: 8 - name.count))\(value)")
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
