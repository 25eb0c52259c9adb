import Glibc

/// One of the two rules that hold a connection: what comes in of it, and what goes out, is dropped without CRIU's mark.
struct IPTablesRule: Hashable {
    enum Chain: String { case input = "INPUT", output = "OUTPUT" }
    var chain: Chain
    var from: InetEndpoint
    var to: InetEndpoint

    static func both(_ ends: ConnectionLock.Ends) -> [IPTablesRule] {
        [
            IPTablesRule(chain: .input, from: ends.remote, to: ends.local),
            IPTablesRule(chain: .output, from: ends.local, to: ends.remote),
        ]
    }

    private init(chain: Chain, from: InetEndpoint, to: InetEndpoint) {
        self.chain = chain
        self.from = from
        self.to = to
    }

    /// Behind `-I`, `-D` or `-C`.
    var words: String {
        "\(chain.rawValue) --protocol tcp -m mark ! --mark 0xC114 --source \(from.host) --sport \(from.port) "
            + "--destination \(to.host) --dport \(to.port) -j DROP"
    }

    /// From a line of `iptables -S`, which has its own words for the same; nil for a rule of another kind.
    ///
    ///     -A INPUT -s 10.0.0.1/32 -d 10.0.0.2/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport 5 --dport 6 -j DROP
    init?(listing line: String) {
        let words = line.split(separator: " ")
        func value(_ option: Substring) -> Substring? {
            guard let place = words.firstIndex(of: option), place + 1 < words.count else { return nil }
            return words[place + 1]
        }
        guard let chain = value("-A").flatMap({ Chain(rawValue: String($0)) }),
            line.contains("! --mark 0xc114 "), value("-j") == "DROP", value("-p") == "tcp",
            let from = Self.endpoint(value("-s"), value("--sport")),
            let to = Self.endpoint(value("-d"), value("--dport"))
        else { return nil }
        self.init(chain: chain, from: from, to: to)
    }

    private static func endpoint(_ network: Substring?, _ port: Substring?) -> InetEndpoint? {
        guard let parts = network?.split(separator: "/"), let host = parts.first,
            let number = port.flatMap({ UInt16($0) })
        else { return nil }
        let endpoint = InetEndpoint(host: String(host), port: number)
        // A network of more than one address is no connection.
        if parts.count == 2, parts[1] != "\((endpoint?.address.count ?? 0) * 8)" { return nil }
        return endpoint
    }
}
