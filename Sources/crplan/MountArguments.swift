import ArgumentParser
import CREngine
import PolicyModel

/// What criu's command lines say of the mounts of a tree in a mount namespace of its own, at a dump and at a restore.
struct MountArguments: ParsableArguments {
    @Option(
        name: [.customShort("r"), .customLong("root")],
        help: "Directory that becomes the root of the tree's mounts at a restore.")
    var root: String?
    @Option(
        name: [.customShort("M"), .customLong("ext-mount-map")],
        help:
            "auto, or at a dump MOUNTPOINT:KEY and at a restore KEY:PATH, for a mount from outside; may be given again."
    )
    var map: [String] = []
    @Flag(
        name: .customLong("enable-external-masters"),
        help: "Mounts that are found outside may receive what is mounted there.")
    var acceptsMasters = false
    @Flag(
        name: .customLong("enable-external-sharing"),
        help: "Mounts that are found outside may pass on what is mounted in them.")
    var acceptsPeers = false
    @Option(name: .customLong("skip-mnt"), help: "Mount point to leave out; may be given again.")
    var skipped: [String] = []
    @Option(
        name: .customLong("enable-fs"),
        help: "File system to mount anew with its options, with commas between, or all; may be given again.")
    var fileSystems: [String] = []
    /// Mounts are always made by descriptors.
    @Flag(name: .customLong("mntns-compat-mode"), help: .hidden) var ignoredCompatibility = false

    /// As `external` has them at a dump.
    var external: [String] {
        let letters = (acceptsMasters ? "m" : "") + (acceptsPeers ? "s" : "")
        return map.map { text in
            if text == "auto" { return "mnt[]" + (letters.isEmpty ? "" : ":" + letters) }
            let (point, key) = Self.halves(text)
            return "mnt[\(point)]:\(key)"
        } + skipped.map { "skip-mnt[\($0)]" }
            + fileSystems.flatMap { $0.split(separator: ",") }.map { "enable-fs[\($0)]" }
    }

    /// Adds what a restore is told to what a checkpoint says.
    func apply(to mounts: inout MountOutside, external: [String]) {
        if let root { mounts.root = root }
        mounts.acceptsMasters = mounts.acceptsMasters || acceptsMasters
        mounts.acceptsPeers = mounts.acceptsPeers || acceptsPeers
        for text in map {
            if text == "auto" {
                mounts.detects = true
            } else {
                let (key, path) = Self.halves(text)
                mounts.sources[key] = path
            }
        }
        for text in external {
            if let device = ExternalResource.place(ofDevice: text) {
                mounts.devices[device.name] = device.path
            } else if let mount = MountResource.place(ofMount: text) {
                mounts.sources[mount.key] = mount.path
            } else if case .detected(let masters, let peers)? = MountResource(text) {
                mounts.detects = true
                mounts.acceptsMasters = mounts.acceptsMasters || masters
                mounts.acceptsPeers = mounts.acceptsPeers || peers
            }
        }
    }

    /// Whether `--external` says something of mounts at a restore.
    static func isForRestore(_ text: String) -> Bool {
        if MountResource.place(ofMount: text) != nil { return true }
        if case .detected? = MountResource(text) { return true }
        return false
    }

    private static func halves(_ text: String) -> (String, String) {
        guard let colon = text.firstIndex(of: ":") else { return (text, "") }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    func validate() throws {
        for text in map where text != "auto" {
            let (first, second) = Self.halves(text)
            guard !first.isEmpty, !second.isEmpty else {
                throw ValidationError(
                    "--ext-mount-map takes auto or two names with a colon between, not \(text)")
            }
        }
        for path in skipped + (root.map { [$0] } ?? []) where !path.hasPrefix("/") {
            throw ValidationError("\(path) is no absolute path")
        }
    }
}
