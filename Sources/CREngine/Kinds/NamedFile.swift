import PolicyModel

/// A file that is in no image and that whoever restores hands over: CRIU's --external file[MNT:INO].
enum ExternalFile {
    /// Its name in CRIU's spelling, numbers in hexadecimal.
    static func key(_ file: OpenFile) -> String {
        "file[\(String(file.info.mount, radix: 16)):\(String(file.inode, radix: 16))]"
    }

    static func findings(_ file: OpenFile, in context: ScanContext) -> [Finding]? {
        let key = key(file)
        guard context.allow.external.contains(key) else { return nil }
        return [
            Finding(
                .externalFile, context.object(file), "\(file.link), external as \(key)", severity: .allowed)
        ]
    }
}

/// The rule for everything that a restore opens by its path: open files, mapped files, programs, directories.
enum NamedFile {
    /// Whether the path leads to the file, and what becomes of it where no name is left.
    static func findings(
        _ path: String, _ facts: FileFacts?, _ reach: PathReach, at object: FindingObject,
        in context: ScanContext
    ) -> [Finding] {
        switch reach {
        case .same, .notAPath: []
        case .other: [Finding(.pathReplaced, object, path)]
        case .unknown: [Finding(.pathUnknown, object, path)]
        case .gone: nameless(path, facts, object, context)
        }
    }

    private static func nameless(
        _ path: String, _ facts: FileFacts?, _ object: FindingObject, _ context: ScanContext
    ) -> [Finding] {
        guard let facts else { return [Finding(.pathUnknown, object, path)] }
        if facts.links > 0 && facts.type != .directory {
            return [
                Finding(.nameGone, object, path, severity: context.allow.linkRemap ? .allowed : nil)
            ]
        }
        if facts.type == .directory {
            // Nothing of it is left but itself.
            return facts.links == 0
                ? [Finding(.ghostFile, object, "\(path), a removed directory")]
                : [Finding(.deletedDirectory, object, path)]
        }
        // What is unread in it goes the way of any pipe's.
        if facts.type == .fifo { return [Finding(.ghostFile, object, "\(path), a deleted named pipe")] }
        guard facts.type == .regular else { return [Finding(.pathReplaced, object, path)] }
        // Holes cost nothing in the image.
        let bytes = facts.blocks * 512
        if case .bytes(let limit) = context.allow.ghostLimit, bytes > limit.bytes {
            let size = (bytes + 0x3ff) >> 10
            return [
                Finding(
                    .ghostTooLarge, object, "\(path), deleted, \(size)KiB, limit \(limit)",
                    remedy: "allow: {ghost-limit: \(size)KiB}")
            ]
        }
        return [Finding(.ghostFile, object, "\(path), deleted, \(facts.size) bytes")]
    }
}
