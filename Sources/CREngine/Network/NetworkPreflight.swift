import Glibc

/// Whether all is there that a network namespace needs of ours, and no name is taken. Looks only.
struct NetworkPreflight {
    let image: NetworkNamespaceImage
    let outside: NetworkOutside
    /// Milliseconds.
    private static let patience: UInt64 = 3000

    func problems() -> [RestoreError] {
        var found: [RestoreError] = []
        var names: Set<String> = []
        for link in image.links {
            switch link.kind {
            case .veth where isOutside(link): found += pair(link, &names)
            case .macvlan: found += lower(link)
            case .other: found += given(link)
            default: break
            }
        }
        return found
    }

    /// Whether the other end of a pair is to be made where we are.
    private func isOutside(_ link: NetworkLinkImage) -> Bool {
        link.peerNamespace != outside.namespace
            || !image.links.contains { $0.index == link.peerIndex && $0.index != link.index }
    }

    private func pair(_ link: NetworkLinkImage, _ names: inout Set<String>) -> [RestoreError] {
        guard let rule = outside.pairs[link.name] else { return [] }
        var found: [RestoreError] = []
        if let outer = rule.outer {
            let subject = "outer end \(outer) of \(link.subject)"
            if !names.insert(outer).inserted {
                found.append(RestoreError(subject, "is named for another pair too"))
            } else if isTaken(outer) {
                found.append(
                    RestoreError(
                        subject, "is the name of a link that is there already",
                        remedy: "remove it, or name another by allow: {veth: …} or --external veth[…]"))
            }
        }
        if let bridge = rule.bridge, if_nametoindex(bridge) == 0 {
            found.append(
                RestoreError(
                    "bridge \(bridge)", "is not there, and \(link.subject) is to be its port",
                    remedy: "ip link add \(bridge) type bridge"))
        }
        return found
    }

    /// The kernel takes the links of a namespace away some time after its last task has ended.
    private func isTaken(_ name: String) -> Bool {
        let deadline = Deadline.after(milliseconds: Self.patience)
        while if_nametoindex(name) != 0 {
            guard !deadline.hasPassed, isFarEnd(name) else { return true }
            usleep(2000)
        }
        return false
    }

    /// Whether a link is a pair's end, and the other one is not here.
    private func isFarEnd(_ name: String) -> Bool {
        guard var connection = try? NetlinkConnection.open(.route),
            let link = try? NetworkLink.all(&connection).first(where: { $0.name == name })
        else { return true }
        return link.kind == .veth && link.lowerNamespace != nil
    }

    private func lower(_ link: NetworkLinkImage) -> [RestoreError] {
        guard let name = outside.lowerLinks[link.name], if_nametoindex(name) == 0 else { return [] }
        return [RestoreError("link \(name)", "is not there, and \(link.subject) is to stand on it")]
    }

    private func given(_ link: NetworkLinkImage) -> [RestoreError] {
        guard let name = outside.handedIn[link.name], if_nametoindex(name) == 0 else { return [] }
        return [RestoreError("link \(name)", "is not there, and is to become \(link.subject)")]
    }
}
