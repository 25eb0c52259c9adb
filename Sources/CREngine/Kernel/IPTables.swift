import Glibc

/// Connections held by rules of iptables(8), in the words that CRIU uses for them, so that either finds the other's.
enum IPTables {
    /// `-s A --sport N -d B --dport M` of what comes in and of what goes out.
    private static func rules(_ ends: ConnectionLock.Ends) -> [String] {
        func rule(_ chain: String, _ from: InetEndpoint, _ to: InetEndpoint) -> String {
            "\(chain) --protocol tcp -m mark ! --mark 0xC114 --source \(from.host) --sport \(from.port) "
                + "--destination \(to.host) --dport \(to.port) -j DROP"
        }
        return [rule("INPUT", ends.remote, ends.local), rule("OUTPUT", ends.local, ends.remote)]
    }

    /// Whether every rule of a connection is there.
    static func holds(_ ends: ConnectionLock.Ends) throws(PacketFilter.Failure) -> Bool {
        for rule in rules(ends) where try !call(ends, ["-C"], rule).isEmpty { return false }
        return true
    }

    static func add(_ ends: ConnectionLock.Ends) throws(PacketFilter.Failure) {
        for rule in rules(ends) {
            let answer = try call(ends, ["-I"], rule)
            if !answer.isEmpty { throw PacketFilter.Failure(description: answer) }
        }
    }

    /// Takes the rules of a connection away, those of them that are there.
    static func remove(_ ends: ConnectionLock.Ends) throws(PacketFilter.Failure) {
        for rule in rules(ends) where try call(ends, ["-C"], rule).isEmpty {
            let answer = try call(ends, ["-D"], rule)
            if !answer.isEmpty { throw PacketFilter.Failure(description: answer) }
        }
    }

    /// Empty where it went well, else what the program said.
    private static func call(
        _ ends: ConnectionLock.Ends, _ command: [String], _ rule: String
    ) throws(PacketFilter.Failure) -> String {
        let name = ends.local.address.count == 4 ? "iptables" : "ip6tables"
        let directories = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"]
        let paths: [String] = directories.map { "\($0)/\(name)" }
        guard let path = paths.first(where: { path in access(path, X_OK) == 0 }) else {
            throw PacketFilter.Failure(description: "\(name) is not installed")
        }
        let words = [path, "-w", "-t", "filter"] + command + rule.split(separator: " ").map(String.init)
        var said = ""
        switch CalledProgram(words: words).run(
            until: .after(milliseconds: 10_000), printed: { said = said.isEmpty ? $0 : said })
        {
        case .exited(0): return ""
        case .exited(let code): return said.isEmpty ? "\(name) ended with \(code)" : said
        case .killed(let signal): return "\(name) was killed by signal \(signal)"
        case .timedOut: return "\(name) took longer than 10 s"
        case .cancelled: return "\(name) was cancelled"
        case .notStarted(let errno): return "\(name): \(errno)"
        }
    }
}
