package import PolicyModel

/// One thing more that a policy may allow.
package enum AllowanceChange: Equatable, Sendable {
    case shellJob
    case unixSocket(UnixSocketRule)
    case device(DeviceRule)
    case linkRemap
    case ghostLimit(ByteCount)
    case tcpEstablished(TCPRule)
    case tcpInFlight
    case stdio(StdioRule)
    case extPipes(ExternalPipes)
    case fileLocks(PolicyModel.FileLocks)
    case fsnotify
    case external(String)

    /// The key below `allow`.
    package var key: String {
        switch self {
        case .shellJob: "shell-job"
        case .unixSocket: "ext-unix-sk"
        case .device: "evasive-devices"
        case .linkRemap: "link-remap"
        case .ghostLimit: "ghost-limit"
        case .tcpEstablished: "tcp-established"
        case .tcpInFlight: "tcp-in-flight"
        case .stdio: "stdio"
        case .extPipes: "ext-pipes"
        case .fileLocks: "file-locks"
        case .fsnotify: "fsnotify"
        case .external: "external"
        }
    }

    /// Whether the key's value is a list of rules, to which this adds one.
    package var isRule: Bool {
        switch self {
        case .unixSocket, .device, .tcpEstablished, .stdio, .external: true
        default: false
        }
    }

    /// The value, or the rule, as a policy file writes it.
    package var text: String {
        switch self {
        case .shellJob, .linkRemap: "true"
        case .unixSocket(let rule): Self.text(rule)
        case .device(.path(let glob)): YAMLText.quoted(glob.text)
        case .device(.number(let major, let minor)): YAMLText.quoted("\(major):\(minor)")
        case .ghostLimit(let limit): "\(limit)"
        case .tcpEstablished(let rule): Self.text(rule)
        case .tcpInFlight: TCPInFlight.skip.rawValue
        case .stdio(let rule): Self.text(rule)
        case .extPipes(let value): value.rawValue
        case .fileLocks(let value): value.rawValue
        case .fsnotify: FSNotify.drop.rawValue
        case .external(let name): YAMLText.quoted(name)
        }
    }

    /// Allows it. A rule goes before the first one that `precedes` says it has to come before, else to the end.
    ///
    /// - Returns: the place among the rules that the new one goes before; nil at the end, or for no rule.
    @discardableResult
    package func apply(to allow: inout Allowances, before fits: RuleFit = RuleFit()) -> Int? {
        switch self {
        case .shellJob: allow.shellJob = true
        case .linkRemap: allow.linkRemap = true
        case .ghostLimit(let limit): allow.ghostLimit = .bytes(limit)
        case .tcpInFlight: allow.tcpInFlight = .skip
        case .extPipes(let value): allow.extPipes = value
        case .fileLocks(let value): allow.fileLocks = value
        case .fsnotify: allow.fsnotify = .drop
        case .external(let name): allow.external.append(name)
        case .unixSocket(let rule): return Self.insert(rule, into: &allow.extUnixSockets, fits.unixSocket)
        case .device(let rule): return Self.insert(rule, into: &allow.evasiveDevices, fits.device)
        case .tcpEstablished(let rule): return Self.insert(rule, into: &allow.tcpEstablished, fits.tcp)
        case .stdio(let rule):
            let place = allow.stdio.firstIndex(where: fits.stdio)
            allow.stdio.insert(rule, at: place ?? allow.stdio.count)
            return place
        }
        return nil
    }

    /// Which rules of a policy speak of the thing at hand already: the first of them has to come after the new one.
    package struct RuleFit {
        var unixSocket: (UnixSocketRule) -> Bool = { _ in false }
        var device: (DeviceRule) -> Bool = { _ in false }
        var tcp: (TCPRule) -> Bool = { _ in false }
        var stdio: (StdioRule) -> Bool = { _ in false }
        package init() {}
    }

    private static func insert<Rule>(
        _ rule: Rule, into allowance: inout RuledAllowance<Rule>, _ fits: (Rule) -> Bool
    ) -> Int? {
        guard case .rules(var rules) = allowance else {
            allowance = .rules([rule])
            return nil
        }
        let place = rules.firstIndex(where: fits)
        rules.insert(rule, at: place ?? rules.count)
        allowance = .rules(rules)
        return place
    }

    private static func text(_ rule: UnixSocketRule) -> String {
        var parts: [String] = []
        if let path = rule.path { parts.append("path: \(YAMLText.quoted(path.text))") }
        parts.append("type: \(rule.type.rawValue)")
        parts.append("on-restore: \(rule.onRestore.rawValue)")
        return "{\(parts.joined(separator: ", "))}"
    }

    private static func text(_ rule: TCPRule) -> String {
        func ports(_ set: PortSet) -> String {
            let texts = set.ranges.map { range in
                range.count == 1 ? "\(range.lowerBound)" : "\"\(range.lowerBound)-\(range.upperBound)\""
            }
            return texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"
        }
        var parts: [String] = []
        // A plain scalar with a colon in it would be a mapping.
        parts.append("peer: " + (rule.peer.map { YAMLText.quoted("\($0)") } ?? "any"))
        if let set = rule.peerPort { parts.append("peer-port: \(ports(set))") }
        if let set = rule.localPort { parts.append("local-port: \(ports(set))") }
        parts.append("action: \(rule.action.rawValue)")
        return "{\(parts.joined(separator: ", "))}"
    }

    private static func text(_ rule: StdioRule) -> String {
        let target =
            switch rule.onRestore {
            case .inherit: "inherit"
            case .null: "\"null\""
            case .file(let path): YAMLText.quoted("file:\(path)")
            }
        return "{kind: \(rule.kind.rawValue), on-restore: \(target)}"
    }
}
