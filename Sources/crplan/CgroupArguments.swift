import ArgumentParser
import Glibc
import PolicyModel

/// CRIU's options about control groups that a dump and a restore share.
struct CgroupArguments: ParsableArguments {
    @Option(
        name: .customLong("cgroup-root"),
        help: ArgumentHelp(
            "Dump: take down the groups from here on. Restore: put the topmost group here. May be given again.",
            valueName: "[controller:]/path"))
    var roots: [String] = []
    @Option(
        name: .customLong("cgroup-props"),
        help: "Control files to take along, in criu's YAML: cpu: [{strategy: merge}, {properties: [cpu.x]}].")
    var properties: [String] = []
    @Option(name: .customLong("cgroup-props-file"), help: "A file that says what --cgroup-props does.")
    var propertyFiles: [String] = []
    @Option(
        name: .customLong("cgroup-dump-controller"),
        help: "Describe the groups of this controller alone; may be given again.")
    var controllers: [String] = []
    @Option(
        name: .customLong("cgroup-yard"), help: "Directory below which the hierarchies are mounted to use.")
    var yard: String?

    func validate() throws {
        for root in roots where CgroupChoice.Root(root) == nil {
            throw ValidationError("--cgroup-root takes [CONTROLLER:]/PATH, not \(root)")
        }
    }

    /// Throws where a file or directory cannot be read, or says something that there is not.
    func choice() throws -> CgroupChoice {
        var choice = CgroupChoice()
        choice.roots = roots.compactMap { CgroupChoice.Root($0) }
        choice.controllers = controllers
        choice.yard = try yard.map(DumpCommand.absolute)
        for text in properties {
            choice.properties.add(try CgroupPropertyRules(yaml: text, name: "--cgroup-props"))
        }
        for path in propertyFiles {
            choice.properties.add(try CgroupPropertyRules(yaml: try NamedPath.text(path), name: path))
        }
        return choice
    }
}
