/// What a policy says of the mounts of a tree that has a mount namespace of its own: `ext-mount-map` and the entries of
/// `external` that speak of mounts.
package struct MountAllowances: Sendable, Equatable, Codable {
    /// A mount that comes from outside.
    package struct External: Sendable, Equatable, Codable {
        /// By which CRIU and the image know it.
        package var key: String
        /// Path outside at restore; nil where only a key was given, and the restore is told.
        package var source: String?
        package init(key: String, source: String?) {
            self.key = key
            self.source = source
        }
    }
    /// By mount point.
    package var external: [String: External] = [:]
    /// What is mounted outside too, is taken from there.
    package var detects = false
    /// Such mounts may receive what is mounted outside.
    package var acceptsMasters = false
    /// Such mounts may pass on what is mounted in them to the outside.
    package var acceptsPeers = false
    /// Mount points that are left out.
    package var skipped: Set<String> = []
    /// Names of file systems that are mounted anew with their options.
    package var fileSystems: Set<String> = []
    /// `--enable-fs all`
    package var allowsAllFileSystems = false
    /// Names of block devices by "MAJOR:MINOR".
    package var devices: [String: String] = [:]

    package init() {}
    package init(_ allow: Allowances) {
        switch allow.extMountMap {
        case .none: break
        case .auto: detects = true
        case .map(let mounts):
            for mount in mounts {
                external[mount.mountPoint] = External(key: mount.mountPoint, source: mount.source)
            }
        }
        for text in allow.external {
            switch MountResource(text) {
            case .mount(let point, let key): external[point] = External(key: key, source: nil)
            case .detected(let masters, let peers):
                detects = true
                acceptsMasters = acceptsMasters || masters
                acceptsPeers = acceptsPeers || peers
            case .skipped(let point): skipped.insert(point)
            case .fileSystem(let name):
                if name == "all" { allowsAllFileSystems = true } else { fileSystems.insert(name) }
            case nil:
                if let device = ExternalResource.device(text) {
                    devices["\(device.major):\(device.minor)"] = device.name
                }
            }
        }
    }
}

/// An entry of `external` that speaks of mounts: CRIU's `mnt[…]`, and its --skip-mnt and --enable-fs in the same form.
package enum MountResource: Equatable, Sendable {
    /// `mnt[/data]:KEY`
    case mount(point: String, key: String)
    /// `mnt[]`, `mnt[]:m`, `mnt[]:s`, `mnt[]:ms`
    case detected(masters: Bool, peers: Bool)
    /// `skip-mnt[/path]`
    case skipped(String)
    /// `enable-fs[name]`
    case fileSystem(String)

    package static func isOne(_ text: String) -> Bool {
        ["mnt[", "skip-mnt[", "enable-fs["].contains { text.hasPrefix($0) }
    }

    /// Nil for what is not of the form.
    package init?(_ text: String) {
        guard let open = text.firstIndex(of: "["), let close = text.lastIndex(of: "]"), open < close else {
            return nil
        }
        let inside = String(text[text.index(after: open)..<close])
        let rest = text[text.index(after: close)...]
        switch text[..<open] {
        case "mnt":
            if inside.isEmpty {
                // CRIU looks at the letters one by one.
                let letters = rest.dropFirst()
                guard rest.isEmpty || rest.first == ":", letters.allSatisfy({ "ms".contains($0) }) else {
                    return nil
                }
                self = .detected(masters: letters.contains("m"), peers: letters.contains("s"))
            } else {
                guard inside.hasPrefix("/"), rest.hasPrefix(":"), rest.count > 1 else { return nil }
                self = .mount(point: Self.normal(inside), key: String(rest.dropFirst()))
            }
        case "skip-mnt":
            guard inside.hasPrefix("/"), rest.isEmpty else { return nil }
            self = .skipped(Self.normal(inside))
        case "enable-fs":
            guard !inside.isEmpty, rest.isEmpty else { return nil }
            self = .fileSystem(inside)
        default: return nil
        }
    }

    /// `mnt[KEY]:/path`, as a restore is given it; nil for another spelling.
    package static func place(ofMount text: String) -> (key: String, path: String)? {
        guard text.hasPrefix("mnt["), let close = text.lastIndex(of: "]") else { return nil }
        let key = text[..<close].dropFirst(4)
        let rest = text[text.index(after: close)...]
        guard !key.isEmpty, rest.hasPrefix(":/") else { return nil }
        return (String(key), String(rest.dropFirst()))
    }

    private static func normal(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }
}
