import CPlatform
import Glibc

/// Connections held by rules of iptables(8), in the words that CRIU uses for them, so that either finds the other's.
///
/// Rules belong to nobody: they outlive whoever adds them. The rules of all connections of a family come and go in one
/// transaction, see iptables-restore(8).
package enum IPTables {
    package typealias Failure = PacketFilter.Failure

    /// The two programs, a family of addresses each.
    enum Family: String, CaseIterable {
        case four = "iptables"
        case six = "ip6tables"

        init(_ ends: ConnectionLock.Ends) { self = ends.local.address.count == 4 ? .four : .six }

        /// `path` is searched in this order.
        func program(
            _ suffix: String = "", in path: [String] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"]
        ) throws(Failure) -> String {
            let name = rawValue + suffix
            let places: [String] = path.map { "\($0)/\(name)" }
            guard let place = places.first(where: { place in access(place, X_OK) == 0 }) else {
                throw Failure(description: "\(name) is not installed")
            }
            return place
        }
    }

    /// Throws where a program is missing that holding these connections takes.
    static func check(for connections: some Collection<ConnectionLock.Ends>) throws(Failure) {
        for family in Family.allCases where connections.contains(where: { Family($0) == family }) {
            _ = try family.program()
            _ = try family.program("-restore")
        }
    }

    /// Adds the rules of all of them, or none.
    static func add(_ connections: [ConnectionLock.Ends]) throws(Failure) {
        var added: [ConnectionLock.Ends] = []
        for family in Family.allCases {
            let own = connections.filter { Family($0) == family }
            do throws(Failure) {
                try change(family, "-I", own.flatMap(IPTablesRule.both))
            } catch {
                _ = try? remove(added)
                throw error
            }
            added += own
        }
    }

    /// Those of the connections of which every rule is there.
    package static func held(
        of connections: some Collection<ConnectionLock.Ends>
    ) throws(Failure) -> Set<ConnectionLock.Ends> {
        var held: Set<ConnectionLock.Ends> = []
        for family in Family.allCases {
            let own = connections.filter { Family($0) == family }
            if own.isEmpty { continue }
            let rules = Set(try rules(family))
            held.formUnion(own.filter { rules.isSuperset(of: IPTablesRule.both($0)) })
        }
        return held
    }

    /// Takes away what is there of the rules of these connections; false where there was nothing.
    @discardableResult
    package static func remove(
        _ connections: some Collection<ConnectionLock.Ends>
    ) throws(Failure) -> Bool {
        var wasThere = false
        for family in Family.allCases {
            let own = connections.filter { Family($0) == family }
            if own.isEmpty { continue }
            let wanted = Set(own.flatMap(IPTablesRule.both))
            // One that was added twice is there twice.
            let present = try rules(family).filter(wanted.contains)
            try change(family, "-D", present)
            wasThere = wasThere || !present.isEmpty
        }
        return wasThere
    }

    /// Rules of the kind that holds connections, whosever they are.
    private static func rules(_ family: Family) throws(Failure) -> [IPTablesRule] {
        var rules: [IPTablesRule] = []
        var program = CalledProgram(words: [try family.program(), "-w", "5", "-t", "filter", "-S"])
        program.printLimit = 64 << 20
        try run(program) { line in
            if let rule = IPTablesRule(listing: line) { rules.append(rule) }
        }
        return rules
    }

    /// One transaction; `-I` or `-D`.
    private static func change(
        _ family: Family, _ command: String, _ rules: [IPTablesRule]
    ) throws(Failure) {
        if rules.isEmpty { return }
        let text = "*filter\n" + rules.map { "\(command) \($0.words)\n" }.joined() + "COMMIT\n"
        let input: OwnedFD
        do throws(Errno) {
            input = try OwnedFD.memory("iptables", holding: Array(text.utf8))
        } catch {
            throw Failure(description: "rules for iptables cannot be written: \(error)")
        }
        var program = CalledProgram(words: [try family.program("-restore"), "-w", "5", "--noflush"])
        program.input = input.rawValue
        try run(program) { _ in }
    }

    private static func run(_ program: CalledProgram, _ printed: (String) -> Void) throws(Failure) {
        let name = program.words[0].split(separator: "/").last.map(String.init) ?? program.words[0]
        var said = ""
        func fail(_ why: String) -> Failure {
            Failure(description: said.isEmpty ? "\(name) \(why)" : "\(name): \(said)")
        }
        let end = program.run(until: .after(milliseconds: 10_000), stop: .never) { line in
            if said.isEmpty { said = line }
            printed(line)
        }
        switch end {
        case .exited(0): return
        case .exited(let code): throw fail("ended with \(code)")
        case .killed(let signal): throw fail("was killed by signal \(signal)")
        case .timedOut: throw Failure(description: "\(name) took longer than 10 s")
        case .cancelled: throw Failure(description: "\(name) was cancelled")
        case .notStarted(let errno): throw Failure(description: "\(name) cannot be started: \(errno)")
        }
    }
}

/// Rules that hold connections for as long as a dump works: gone with this value, unless they are made to stay. A
/// process that is killed leaves them, so whoever makes this notes it in the undo journal before.
struct PacketRules: ~Copyable {
    private let connections: [ConnectionLock.Ends]
    private var isPassing = true

    init(_ connections: [ConnectionLock.Ends]) throws(IPTables.Failure) {
        try IPTables.add(connections)
        self.connections = connections
    }

    deinit { if isPassing { _ = try? IPTables.remove(connections) } }

    mutating func persist() { isPassing = false }

    /// Takes them away, whichever of both they are.
    consuming func release() throws(IPTables.Failure) {
        isPassing = false
        try IPTables.remove(connections)
    }
}
