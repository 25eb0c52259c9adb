import CPlatform
import Glibc

/// The packet filters of the namespace that the calling thread is in: nftables, and the older tables of iptables(8).
enum FilterRules {
    struct Texts: Equatable, Sendable {
        /// For nft(8). With the handle of each rule as a comment where there are foreign ones.
        var nftables = ""
        /// Rules of `nftables` with parts of iptables, as the kernel sends them.
        var foreign: [NetlinkMessage] = []
        /// For iptables-restore(8) and ip6tables-restore(8).
        var iptables = ""
        var ip6tables = ""
    }
    private static let places = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"]
    private static let longestText = 64 << 20
    private static let subject = "network namespace"

    static func read() throws(NetworkError) -> Texts {
        var texts = Texts()
        let foreign = try ForeignRules.read()
        texts.nftables = try ruleset(withHandles: !foreign.isEmpty)
        texts.foreign = foreign.map(\.message)
        if let rule = ForeignRules.unwritable(foreign) {
            throw NetworkError(
                subject, "has a rule of iptables that looks into a set of its own: \(rule.name)",
                remedy: "replace it by a rule of nft")
        }
        // Told now, not at the restore.
        _ = try ForeignRules.split(texts.nftables, foreign)
        texts.iptables = try save("iptables", names: "ip_tables_names")
        texts.ip6tables = try save("ip6tables", names: "ip6_tables_names")
        return texts
    }

    /// All nftables in the words of nft(8).
    static func ruleset(withHandles: Bool = false) throws(NetworkError) -> String {
        do throws(PacketFilter.Failure) {
            let filter = try PacketFilter()
            if withHandles { filter.showHandles() }
            return try filter.run("list ruleset")
        } catch {
            throw NetworkError(subject, "its nftables cannot be listed: \(error)")
        }
    }

    /// Empty, without starting a program, where the namespace has no table of this kind.
    private static func save(_ program: String, names: String) throws(NetworkError) -> String {
        guard let tables = try? ProcText.read("/proc/thread-self/net/\(names)"), !tables.isEmpty else {
            return ""
        }
        var text = ""
        var called = CalledProgram(words: [try find("\(program)-legacy-save", or: "\(program)-save")])
        called.printLimit = longestText
        try run(called) { text += "\($0)\n" }
        return text
    }

    static func restore(_ texts: Texts) throws(NetworkError) {
        if !texts.nftables.isEmpty {
            let (list, places) = try ForeignRules.split(
                texts.nftables, texts.foreign.compactMap { FilterRule($0) })
            do throws(PacketFilter.Failure) {
                let filter = try PacketFilter()
                try filter.run(list)
            } catch {
                throw NetworkError(subject, "its nftables cannot be made: \(error)")
            }
            try ForeignRules.restore(places)
        }
        try load("iptables", texts.iptables)
        try load("ip6tables", texts.ip6tables)
    }

    /// `keeping` leaves what is there beside it.
    private static func load(
        _ program: String, _ text: String, keeping: Bool = false, suffix: String = "-legacy"
    ) throws(NetworkError) {
        if text.isEmpty { return }
        let input = try NetworkError.about(subject, "rules for \(program) cannot be written") {
            () throws(Errno) -> OwnedFD in try OwnedFD.memory("iptables", holding: Array(text.utf8))
        }
        let name = try find("\(program)\(suffix)-restore", or: "\(program)-restore")
        var called = CalledProgram(words: [name, "-w", "5"] + (keeping ? ["--noflush"] : []))
        called.input = input.rawValue
        try run(called) { _ in }
    }

    /// Takes away the chain with which `criu --network-lock iptables` held the namespace, and which is in its image.
    static func removeLock(inNFTables: Bool, _ iptables: String, _ ip6tables: String) throws(NetworkError) {
        let text = "*filter\n:CRIU - [0:0]\n-D INPUT -j CRIU\n-D OUTPUT -j CRIU\n-X CRIU\nCOMMIT\n"
        for (program, saved) in [("iptables", iptables), ("ip6tables", ip6tables)] {
            if saved.contains("\n:CRIU ") {
                try load(program, text, keeping: true)
            } else if inNFTables {
                try load(program, text, keeping: true, suffix: "-nft")
            }
        }
    }

    /// The same where no image says whether it is there.
    static func removeFoundLock() throws(NetworkError) {
        try removeLock(
            inNFTables: NamespaceLock.dumpedRules(in: try ruleset()),
            try save("iptables", names: "ip_tables_names"), try save("ip6tables", names: "ip6_tables_names"))
    }

    private static func find(_ name: String, or other: String) throws(NetworkError) -> String {
        for name in [name, other] {
            for place in places where access("\(place)/\(name)", X_OK) == 0 { return "\(place)/\(name)" }
        }
        throw NetworkError(
            subject, "has rules of iptables, and \(name) is not installed", remedy: "install iptables")
    }

    /// Started by the calling thread, so it is in the same namespace.
    private static func run(_ program: CalledProgram, _ printed: (String) -> Void) throws(NetworkError) {
        var said = ""
        let end = program.run(until: .after(milliseconds: 20_000), stop: .never) { line in
            if said.isEmpty { said = line }
            printed(line)
        }
        switch end {
        case .exited(0): return
        case .notStarted(let errno):
            throw NetworkError(program.words[0], "cannot be started", errno: errno)
        case .timedOut: throw NetworkError(program.words[0], "took longer than 20 s")
        case .exited, .killed, .cancelled: throw NetworkError(program.words[0], "failed: \(said)")
        }
    }
}
