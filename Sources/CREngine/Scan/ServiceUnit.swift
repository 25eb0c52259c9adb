/// A systemd service as far as it matters to whom its main process is killed.
package struct ServiceUnit: Equatable, Sendable {
    /// `solver.service`, `worker@3.service`
    package var name: String
    /// The `[Service]` section: the last value of each key; of keys that are lists all values in order.
    package var settings: [String: [String]]

    package init(name: String, settings: [String: [String]]) {
        self.name = name
        self.settings = settings
    }

    /// `Restart=`; `no` is systemd's default.
    package var restart: String { settings["Restart"]?.last ?? "no" }

    /// Whether systemd starts the service again after SIGKILL; the table is that of Restart= in systemd.service(5).
    package var restartsAfterKill: Bool {
        if names(of: "RestartPreventExitStatus").contains("SIGKILL") { return false }
        if names(of: "RestartForceExitStatus").contains("SIGKILL") { return true }
        let isClean = names(of: "SuccessExitStatus").contains("SIGKILL")
        switch restart {
        case "always": return true
        case "on-success": return isClean
        case "on-failure", "on-abnormal", "on-abort": return !isClean
        default: return false
        }
    }

    /// Signals are written with or without SIG.
    private func names(of key: String) -> Set<String> {
        var names: Set<String> = []
        for value in settings[key] ?? [] {
            for word in value.split(separator: " ") {
                names.insert(word == "KILL" ? "SIGKILL" : String(word))
            }
        }
        return names
    }

    /// The unit that a control group path leads to: its innermost component that is a service.
    package static func name(inCgroup path: String) -> String? {
        path.split(separator: "/").last { $0.hasSuffix(".service") && $0.count > 8 }.map(String.init)
    }

    /// Names of its files, the most special first: `worker@3.service`, then the template `worker@.service`.
    package static func fileNames(of unit: String) -> [String] {
        guard let at = unit.firstIndex(of: "@") else { return [unit] }
        return [unit, unit[...at] + ".service"]
    }

    /// Names of the directories with its drop-ins, the most general first: `service.d`, `a-.service.d`,
    /// `a-b.service.d`, as systemd.unit(5) has it.
    package static func dropInNames(of unit: String) -> [String] {
        var names = ["service.d"]
        let stem = unit.dropLast(".service".count).prefix { $0 != "@" }
        for dash in stem.indices where stem[dash] == "-" && dash != stem.startIndex {
            let end = stem.index(after: dash)
            if end != stem.endIndex { names.append("\(stem[..<end]).service.d") }
        }
        return names + fileNames(of: unit).reversed().map { "\($0).d" }
    }

    /// Adds what one file of the unit sets, over what is known. See systemd.syntax(7).
    package mutating func read(_ text: String) {
        var section = ""
        for line in ServiceUnit.lines(text) {
            if line.hasPrefix("[") {
                section = line
                continue
            }
            guard section == "[Service]", let equals = line.firstIndex(of: "=") else { continue }
            let key = trim(line[..<equals])
            let value = trim(line[line.index(after: equals)...])
            // An empty value takes back what was set before.
            if value.isEmpty {
                settings[key] = nil
            } else if ServiceUnit.lists.contains(key) {
                settings[key, default: []].append(value)
            } else {
                settings[key] = [value]
            }
        }
    }

    private static let lists: Set<String> = [
        "RestartPreventExitStatus", "RestartForceExitStatus", "SuccessExitStatus",
    ]

    /// Without comments and with continued lines joined.
    private static func lines(_ text: String) -> [String] {
        var lines: [String] = []
        var open = false
        for raw in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let line = trim(raw)
            if line.hasPrefix("#") || line.hasPrefix(";") { continue }
            let continues = line.hasSuffix("\\")
            let part = continues ? String(line.dropLast()) : line
            if open, !lines.isEmpty {
                lines[lines.count - 1] += " " + part
            } else {
                lines.append(part)
            }
            open = continues
        }
        return lines
    }
}

private func trim(_ text: some StringProtocol) -> String {
    let start = text.drop { $0 == " " || $0 == "\t" || $0 == "\r" }
    let end = start.lastIndex { $0 != " " && $0 != "\t" && $0 != "\r" }
    return end.map { String(start[...$0]) } ?? ""
}
