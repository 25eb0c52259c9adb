/// Control files of groups that travel beside those that always do, or instead of them: CRIU's --cgroup-props.
package struct CgroupPropertyRules: Sendable, Equatable {
    package struct Rule: Sendable, Equatable {
        package var controller: String
        /// The files take the place of the controller's own, instead of being added to them.
        package var replaces: Bool
        package var files: [String]
    }
    package private(set) var rules: [Rule] = []

    package init() {}

    /// Puts further rules behind these; the last one of a controller that replaces its files wins.
    package mutating func add(_ more: CgroupPropertyRules) { rules += more.rules }

    /// The control files of one controller, by the rules for it.
    package func files(of controller: String, usual: [String]) -> [String] {
        var files = usual
        for rule in rules where rule.controller == controller {
            if rule.replaces { files = [] }
            files += rule.files.filter { !files.contains($0) }
        }
        return files
    }

    /// One line: what is wrong, and how it is written.
    package struct Fault: Error, CustomStringConvertible {
        package var description: String
    }

    /// From CRIU's YAML: `cpu: [{strategy: merge}, {properties: [cpu.shares]}]`, or the same without the inner list.
    package init(yaml text: String, name: String) throws(Fault) {
        let bytes = Array(text.utf8)
        let composed = YAMLComposer.compose(SourceText(name: name, bytes: bytes), bytes: bytes)
        if let first = composed.diagnostics.told.first {
            throw Fault(description: first.render().split(separator: "\n").first.map(String.init) ?? name)
        }
        for document in composed.documents {
            guard case .mapping(let entries) = document.content else {
                throw Fault(description: "\(name): expected a mapping of controllers")
            }
            for entry in entries { rules.append(try Self.rule(entry, name)) }
        }
    }

    private static func rule(_ entry: YAMLEntry, _ name: String) throws(Fault) -> Rule {
        func fault(_ detail: String) -> Fault { Fault(description: "\(name): \(entry.name): \(detail)") }
        var settings: [YAMLEntry] = []
        switch entry.value.content {
        case .mapping(let entries): settings = entries
        case .sequence(let items):
            for item in items {
                guard case .mapping(let entries) = item.content else {
                    throw fault("expected strategy: and properties:")
                }
                settings += entries
            }
        case .scalar: throw fault("expected strategy: and properties:")
        }
        var rule = Rule(controller: entry.name, replaces: false, files: [])
        for setting in settings {
            switch (setting.name, setting.value.content) {
            case ("strategy", .scalar(let word, _)):
                guard word == "merge" || word == "replace" else {
                    throw fault("strategy is merge or replace, not \(word)")
                }
                rule.replaces = word == "replace"
            case ("properties", .sequence(let items)):
                for item in items {
                    guard case .scalar(let file, _) = item.content else {
                        throw fault("properties is a list of file names")
                    }
                    rule.files.append(try checked(file, fault))
                }
            default: throw fault("\(setting.name): is not strategy: or a list of properties:")
            }
        }
        return rule
    }

    /// A restore writes what an image gives for these files, so none may lead elsewhere, move tasks or name a program.
    private static func checked(_ file: String, _ fault: (String) -> Fault) throws(Fault) -> String {
        let isName = !file.isEmpty && !file.contains("/") && file.contains(".") && file.first != "."
        if !isName || file == "cgroup.procs" || file == "cgroup.threads" || file == "cgroup.kill" {
            throw fault("\(file) is not a control file that can be taken down")
        }
        return file
    }
}
