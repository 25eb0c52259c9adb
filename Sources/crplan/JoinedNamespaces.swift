import ArgumentParser
import CREngine
import Glibc

/// What criu's command line says of namespaces that a tree is put into.
struct JoinedNamespaces: ParsableArguments {
    @Option(
        name: [.customShort("J"), .customLong("join-ns")],
        help:
            "KIND:PID or KIND:PATH, the net, uts, ipc, time, mnt or user namespace that the tree joins; may be given again. Behind one of users \",UID,GID\" may name a user and a group of it."
    )
    var texts: [String] = []

    private static let kinds: [NamespaceKind] = [.net, .uts, .ipc, .time, .mount, .user]

    private struct Choice {
        let kind: NamespaceKind
        let path: String
        /// Behind a user namespace.
        var ids: (user: UInt32, group: UInt32)?
    }

    /// Nil for another spelling.
    private static func choice(_ text: String) -> Choice? {
        let words = text.split(separator: ":", maxSplits: 1)
        guard words.count == 2, let kind = kinds.first(where: { $0.rawValue == words[0] }) else { return nil }
        let parts =
            kind == .user ? words[1].split(separator: ",", omittingEmptySubsequences: false) : [words[1]]
        guard let place = parts.first, !place.isEmpty, parts.count == 1 || parts.count == 3 else {
            return nil
        }
        let path = place.allSatisfy(\.isNumber) ? "/proc/\(place)/ns/\(kind.rawValue)" : String(place)
        if parts.count == 1 { return Choice(kind: kind, path: path) }
        guard let user = UInt32(parts[1]), let group = UInt32(parts[2]) else { return nil }
        return Choice(kind: kind, path: path, ids: (user, group))
    }

    func validate() throws {
        var seen: Set<NamespaceKind> = []
        for text in texts {
            if text == "pid" || text.hasPrefix("pid:") {
                throw ValidationError(
                    "--join-ns pid: a process keeps the pid namespace that it was born into; dump with --external "
                        + "pid[INODE]:NAME and restore with --inherit-fd fd[N]:NAME, or with --pid-conflict=new-pid-namespace"
                )
            }
            guard let choice = Self.choice(text) else {
                let kinds = Self.kinds.map(\.rawValue).joined(separator: ", ")
                throw ValidationError(
                    "--join-ns takes KIND:PID or KIND:PATH, KIND being one of \(kinds), and user:PID,UID,GID, not \(text)"
                )
            }
            guard seen.insert(choice.kind).inserted else {
                throw ValidationError("--join-ns names two \(choice.kind.rawValue) namespaces")
            }
        }
    }

    /// Sets descriptors that stay open.
    func apply(to options: inout RestoreOptions) throws {
        for choice in texts.compactMap(Self.choice) {
            let subject = "--join-ns \(choice.kind.rawValue): \(choice.path)"
            let descriptor: Int32
            do throws(Errno) {
                descriptor = try OwnedFD.open(choice.path, O_RDONLY).release()
            } catch {
                throw ValidationError("\(subject): \(error)")
            }
            options.joined[choice.kind] = descriptor
            if choice.kind == .user { try addUser(choice, subject, descriptor, to: &options) }
        }
    }

    private func addUser(
        _ choice: Choice, _ subject: String, _ descriptor: Int32, to options: inout RestoreOptions
    ) throws {
        let image: UserNamespaceImage
        do throws(Errno) {
            image = try UserNamespaceImage(joining: descriptor)
        } catch {
            throw ValidationError(
                "\(subject): cannot be entered as a user namespace: it is none, or this process's own, or not one below "
                    + "it, or CAP_SYS_ADMIN is missing (\(error))")
        }
        if let ids = choice.ids, !image.has(user: ids.user, group: ids.group) {
            throw ValidationError("\(subject): has no user \(ids.user) or no group \(ids.group)")
        }
        options.joinedUser = image
    }
}
