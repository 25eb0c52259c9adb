import PolicyModel

/// The scan rules of a network namespace: what of it a dump could not carry, and what a restore must be told.
enum NetworkRules {
    static func findings(_ facts: NetworkFacts, pid: PID, allow: Allowances) -> [Finding] {
        let object = FindingObject(pid: pid)
        var found: [Finding] = []
        for link in facts.links {
            if let finding = finding(link, object, allow) { found.append(finding) }
            found += parts(of: link).map { Finding(.networkObject, object, $0) }
        }
        found += facts.notCarried.map { Finding(.networkObject, object, $0) }
        if let rule = facts.foreignRule {
            found.append(Finding(.networkFilter, object, "rule of iptables with a set of its own: \(rule)"))
        }
        return found
    }

    private static func parts(of link: NetworkFacts.Link) -> [String] {
        var parts: [String] = []
        if link.hasProgram { parts.append("program of XDP on link \(link.name)") }
        if link.filtersVLANs { parts.append("VLAN filter of bridge \(link.name)") }
        if let kind = link.portKind, kind != "bridge" {
            parts.append("link \(link.name) as a port of a link of kind \(kind)")
        }
        if !link.persists { parts.append("tun device \(link.name) that goes with its descriptor") }
        return parts
    }

    private static func finding(
        _ link: NetworkFacts.Link, _ object: FindingObject, _ allow: Allowances
    ) -> Finding? {
        if names("netdev", link.name, allow) {
            return Finding(
                .networkLink, object, "link \(link.name), handed in at restore", severity: .allowed)
        }
        switch link.kind {
        case .loopback, .bridge, .tun, .dummy: return nil
        case .veth: return pair(link, object, allow)
        case .macvlan, .vlan:
            if link.other == .inside { return nil }
            if link.kind == .macvlan, names("macvlan", link.name, allow) {
                return Finding(
                    .networkLowerLink, object, "macvlan \(link.name), on a link outside", severity: .allowed)
            }
            let key = link.kind == .macvlan ? "macvlan" : "netdev"
            return Finding(
                .networkLowerLink, object, "\(link.kind.name) \(link.name) on a link outside",
                remedy: "allow: {external: [\"\(key)[\(link.name)]:\(link.name)\"]}")
        case .hardware, .other:
            return Finding(
                .networkLink, object, "link \(link.name) of kind \(link.kind.name)",
                remedy: "allow: {external: [\"netdev[\(link.name)]:\(link.name)\"]}")
        }
    }

    private static func pair(
        _ link: NetworkFacts.Link, _ object: FindingObject, _ allow: Allowances
    ) -> Finding? {
        let rule = allow.veth.first { $0.inner == link.name }
        let isNamed = rule != nil || names("veth", link.name, allow)
        switch link.other {
        case .inside, .tree: return nil
        case .home, nil:
            let to =
                rule?.outer.map { " as \($0)" } ?? (isNamed ? "" : ", under a name that the kernel gives")
            return Finding(
                .networkPair, object, "veth \(link.name), its outer end made anew at restore\(to)",
                severity: isNamed ? .allowed : .info)
        case .elsewhere:
            return Finding(
                .networkThirdNamespace, object, "veth \(link.name)",
                severity: isNamed ? .allowed : .block,
                remedy: "allow: {veth: [{inner: \(link.name), outer: \(link.name)}]}")
        }
    }

    /// `--external KIND[NAME]` with or without what follows.
    private static func names(_ kind: String, _ name: String, _ allow: Allowances) -> Bool {
        allow.external.contains { $0.hasPrefix("\(kind)[\(name)]") }
    }
}
