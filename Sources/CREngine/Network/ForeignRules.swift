/// Rules of nftables with matches or targets of iptables, which iptables-nft makes.
///
/// nft(8) lists such a part by libxtables' translation where there is one, which may mean something else or nothing that nft
/// reads, or as `xt match "string"`, which it does not read either. Therefore these rules travel as the kernel sends them, and
/// nft's list has the handle of each rule, by which they are left out of it when it is read.
enum ForeignRules {
    private static let subject = "network namespace"
    private static let handleWord = " # handle "

    /// Those of the namespace that the calling thread is in.
    static func read() throws(NetworkError) -> [FilterRule] {
        try all().filter(\.hasPartsOfIPTables)
    }

    /// One that cannot be made again: it looks into a set that is made with the rule only.
    static func unwritable(_ rules: [FilterRule]) -> FilterRule? {
        rules.first { $0.expressions.contains(where: \.hasAnonymousSet) }
    }

    private static func all() throws(NetworkError) -> [FilterRule] {
        var connection = try NetlinkConnection.open(.netfilter)
        do throws(NetlinkConnection.Refusal) {
            return try connection.dump(FilterMessages.allRules).compactMap { FilterRule($0) }
        } catch {
            throw error.about(subject, "rules of its nftables cannot be read")
        }
    }

    /// A rule's place in a list of nft(8).
    struct Place: Equatable, Sendable {
        var rule: FilterRule
        /// Rules before it in its chain that are in the remaining list.
        var before: Int
    }

    /// nft's list without the lines of `rules`, and where each was. A rule that is not in the list is an error.
    static func split(
        _ list: String, _ rules: [FilterRule]
    ) throws(NetworkError) -> (list: String, places: [Place]) {
        if rules.isEmpty { return (list, []) }
        var lines: [Substring] = []
        var places: [Place] = []
        var table = ""
        var count = 0
        for line in list.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("table ") {
                table = line.dropFirst("table ".count).split(separator: " ").prefix(2).joined(separator: " ")
            } else if line.hasPrefix("\tchain ") {
                count = 0
            } else if line.hasPrefix("\t\t"), let handle = handle(of: line) {
                if let rule = rules.first(where: {
                    $0.handle == handle && "\($0.familyName) \($0.table)" == table
                }) {
                    places.append(Place(rule: rule, before: count))
                    continue
                }
                count += 1
            }
            lines.append(line)
        }
        for rule in rules where !places.contains(where: { $0.rule == rule }) {
            throw NetworkError(subject, "nft does not list its rule with \(rule.name)")
        }
        return (lines.joined(separator: "\n"), places)
    }

    private static func handle(of line: Substring) -> UInt64? {
        let number = line.reversed().prefix { $0.isASCII && $0.isNumber }
        guard line.dropLast(number.count).hasSuffix(handleWord) else { return nil }
        return UInt64(String(number.reversed()))
    }

    /// Makes them again between the rules of their chains, which are there.
    static func restore(_ places: [Place]) throws(NetworkError) {
        if places.isEmpty { return }
        let present = try all()
        var connection = try NetlinkConnection.open(.netfilter)
        for place in places {
            let rule = place.rule
            let chain = present.filter {
                $0.family == rule.family && $0.table == rule.table && $0.chain == rule.chain
            }
            // Two that were neighbours come before the same rule, in their order.
            let next = place.before < chain.count ? chain[place.before].handle : nil
            do throws(NetlinkConnection.Refusal) {
                try connection.perform(
                    rule.request(before: next), inBatchOf: FilterMessages.subsystem)
            } catch {
                throw error.about(subject, "its rule with \(rule.name) cannot be made")
            }
        }
    }
}
