package import PolicyModel

// What policies and CRIU's options say of the outside of a network namespace.

extension NetworkOutside {
    /// `external` are CRIU's spellings; those of other things are passed over. `pairs` are arguments of `--veth-pair`,
    /// which go before the rest. Throws nothing: whoever takes an option refuses it with `refusal` first.
    package init(namespace: UInt32, veth rules: [VethRule], external: [String], pairs: [String] = []) {
        self.init(namespace: namespace)
        for rule in rules { self.pairs[rule.inner] = Pair(outer: rule.outer, bridge: rule.bridge) }
        for text in external {
            guard let (kind, inner, value) = Self.parts(text), let value else { continue }
            switch kind {
            case "veth": self.pairs[inner] = Self.pair(value)
            case "macvlan": lowerLinks[inner] = value
            case "netdev": handedIn[inner] = value
            default: break
            }
        }
        for text in pairs {
            let words = text.split(separator: "=", maxSplits: 1)
            if words.count == 2 { self.pairs[String(words[0])] = Self.pair(String(words[1])) }
        }
    }

    /// Whether a spelling of `--external` speaks of a link.
    package static func isOne(_ text: String) -> Bool { parts(text) != nil }

    /// Names of the links inside that a restore is handed.
    static func handedIn(by external: [String]) -> Set<String> {
        Set(external.compactMap(parts).filter { $0.kind == "netdev" }.map(\.inner))
    }

    /// Why an argument of `--veth-pair` is not taken, as the end of a sentence; nil where it is.
    package static func refusal(ofPair text: String) -> String? {
        let words = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard words.count == 2 else { return "is to be IN=OUT or IN=OUT@BRIDGE" }
        return refusal("veth[\(words[0])]:\(words[1])")
    }

    /// Why a spelling of `--external` is not taken at a restore; nil where it is.
    package static func refusal(_ text: String) -> String? {
        guard let (kind, inner, value) = parts(text) else { return "is none of criu's spellings" }
        guard let value else { return "is to be \(kind)[INNER]:OUTER" }
        let names =
            kind == "veth"
            ? [inner] + value.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
            : [inner, value]
        if let name = names.first(where: { !isName($0) }) {
            return "has \(name.debugDescription) where the name of a link is to be"
        }
        return names.count > 3 ? "is to be veth[INNER]:OUTER@BRIDGE" : nil
    }

    /// What the kernel takes for the name of a link.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= NetworkLinkImage.longestName && name != "." && name != ".."
            && !name.contains { $0 == "/" || $0 == ":" || $0.isWhitespace }
    }

    private static func pair(_ text: String) -> Pair {
        let words = text.split(separator: "@", maxSplits: 1)
        return Pair(
            outer: words.first.map(String.init), bridge: words.count > 1 ? String(words[1]) : nil)
    }

    /// `veth[eth0]:out0@br0` in its three parts; nil for another kind.
    private static func parts(_ text: String) -> (kind: String, inner: String, value: String?)? {
        guard let open = text.firstIndex(of: "["), let close = text.firstIndex(of: "]"), open < close,
            ["veth", "macvlan", "netdev"].contains(text[..<open])
        else { return nil }
        let rest = text[text.index(after: close)...]
        let value = rest.hasPrefix(":") && rest.count > 1 ? String(rest.dropFirst()) : nil
        return (String(text[..<open]), String(text[text.index(after: open)..<close]), value)
    }
}
