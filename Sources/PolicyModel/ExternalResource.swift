/// CRIU's spellings of --external, and `pipe:[INODE]` for a pipe whose far end is outside, which CRIU asks nobody about.
package enum ExternalResource {
    /// `dev[8/1]:data`: a device by its number, and the name that a restore knows it by.
    package struct Device: Equatable, Sendable {
        package var major: UInt32
        package var minor: UInt32
        package var name: String
    }
    /// What a tree of a host can have.
    private static let kinds = ["tty[", "file[", "unix[", "pipe:["]
    /// Namespaces that are given to a restore and whose contents no dump takes.
    private static let namespaces = ["net[", "pid["]
    /// Links of a network namespace, by their names inside.
    private static let links = ["veth[", "macvlan[", "netdev["]

    /// Why it is not taken at a dump, as the end of a sentence; nil where it is.
    package static func refusal(_ text: String) -> String? {
        if isOfNamespaces(text) {
            return namespace(text) == nil ? "is to be \(text.prefix(4))INODE]:NAME" : nil
        }
        if text.hasPrefix("dev[") {
            return device(text) == nil ? "is to be dev[MAJOR/MINOR]:NAME" : nil
        }
        if MountResource.isOne(text) {
            return MountResource(text) == nil
                ? "is to be mnt[/MOUNTPOINT]:KEY, mnt[]:ms, skip-mnt[/MOUNTPOINT] or enable-fs[NAME]" : nil
        }
        if let kind = links.first(where: text.hasPrefix) {
            let name = text.dropFirst(kind.count).prefix { $0 != "]" }
            return name.isEmpty || !text.contains("]") ? "is to be \(kind)INNER] or \(kind)INNER]:OUTER" : nil
        }
        let isKnown = kinds.contains { text.hasPrefix($0) } && text.contains("]")
        return isKnown ? nil : "is none of criu's spellings"
    }

    package static func isOfNamespaces(_ text: String) -> Bool {
        namespaces.contains { text.hasPrefix($0) }
    }

    /// `net[4026531840]:NAME` in its three parts; nil for another spelling.
    package static func namespace(_ text: String) -> (kind: String, inode: UInt64, name: String)? {
        guard let match = text.wholeMatch(of: /(net|pid)\[([0-9]+)\]:(.+)/), let inode = UInt64(match.2)
        else {
            return nil
        }
        return (String(match.1), inode, String(match.3))
    }

    /// Nil for another spelling.
    package static func device(_ text: String) -> Device? {
        guard text.hasPrefix("dev["), let close = text.firstIndex(of: "]") else { return nil }
        let numbers = text[..<close].dropFirst(4).split(separator: "/", omittingEmptySubsequences: false)
        let name = text[text.index(after: close)...]
        guard numbers.count == 2, let major = UInt32(numbers[0]), let minor = UInt32(numbers[1]),
            name.hasPrefix(":"), name.count > 1, !name.dropFirst().contains(where: { "[]:/".contains($0) })
        else { return nil }
        return Device(major: major, minor: minor, name: String(name.dropFirst()))
    }

    /// `dev[data]:/dev/sdb1`, as a restore is given it; nil for another spelling.
    package static func place(ofDevice text: String) -> (name: String, path: String)? {
        guard text.hasPrefix("dev["), let close = text.firstIndex(of: "]") else { return nil }
        let name = text[..<close].dropFirst(4)
        let path = text[text.index(after: close)...].dropFirst()
        guard !name.isEmpty, text[text.index(after: close)...].hasPrefix(":/") else { return nil }
        return (String(name), String(path))
    }
}
