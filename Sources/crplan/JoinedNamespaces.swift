import ArgumentParser
import CREngine
import Glibc

/// What criu's command line says of namespaces that a tree is put into.
struct JoinedNamespaces: ParsableArguments {
    @Option(
        name: [.customShort("J"), .customLong("join-ns")],
        help:
            "KIND:PID or KIND:PATH, the net, uts, ipc or time namespace that the tree joins; may be given again."
    )
    var texts: [String] = []

    private static let kinds: [NamespaceKind] = [.net, .uts, .ipc, .time]

    /// The kind, and the path of the namespace; nil for another spelling.
    private static func parts(_ text: String) -> (kind: NamespaceKind, path: String)? {
        let words = text.split(separator: ":", maxSplits: 1)
        guard words.count == 2, let kind = kinds.first(where: { $0.rawValue == words[0] }) else { return nil }
        if words[1].allSatisfy(\.isNumber) { return (kind, "/proc/\(words[1])/ns/\(kind.rawValue)") }
        return (kind, String(words[1]))
    }

    func validate() throws {
        var seen: Set<NamespaceKind> = []
        for text in texts {
            guard let (kind, _) = Self.parts(text) else {
                let kinds = Self.kinds.map(\.rawValue).joined(separator: ", ")
                throw ValidationError(
                    "--join-ns takes KIND:PID or KIND:PATH, KIND being one of \(kinds), not \(text)")
            }
            guard seen.insert(kind).inserted else {
                throw ValidationError("--join-ns names two \(kind.rawValue) namespaces")
            }
        }
    }

    /// Descriptors that stay open.
    func open() throws -> [NamespaceKind: Int32] {
        var descriptors: [NamespaceKind: Int32] = [:]
        for (kind, path) in texts.compactMap(Self.parts) {
            do throws(Errno) {
                descriptors[kind] = try OwnedFD.open(path, O_RDONLY).release()
            } catch {
                throw ValidationError("--join-ns \(kind.rawValue): \(path): \(error)")
            }
        }
        return descriptors
    }
}
