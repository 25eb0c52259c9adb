import Glibc

/// ELF build ids of files by inode. Reading a file may wait for a disk or a server, so the ids of a tree are read
/// before it is frozen; what turns up later is read then.
final class BuildIDCache {
    private struct Inode: Hashable {
        var device: DeviceNumber
        var inode: UInt64
    }
    private var known: [Inode: [UInt32]] = [:]

    private let isWanted: Bool

    init(isWanted: Bool = true) { self.isWanted = isWanted }

    /// Little-endian words, zero padded; empty for what is no ELF file, has no id, or cannot be read.
    func words(device: DeviceNumber, inode: UInt64, path: String) -> [UInt32] {
        if !isWanted { return [] }
        let key = Inode(device: device, inode: inode)
        if let found = known[key] { return found }
        let words = BuildID.inELF(Self.head(of: path)).map(BuildID.words) ?? []
        known[key] = words
        return words
    }

    /// Leaves files alone on which somebody of the tree has a lease, as to open one breaks the lease, and those that the
    /// kernel makes as they are read.
    func spare(_ snapshot: Snapshot) {
        for file in snapshot.openFiles
        where PseudoFile.isPseudo(file) || file.info.locks.contains(where: { $0.kind == .lease }) {
            guard let facts = file.facts else { continue }
            known[Inode(device: facts.device, inode: facts.inode)] = []
        }
    }

    /// Reads what the tree holds now.
    func prepare(_ snapshot: Snapshot) {
        spare(snapshot)
        for file in snapshot.mappedFiles {
            guard let facts = file.facts, facts.type == .regular else { continue }
            let range = "\(String(file.start, radix: 16))-\(String(file.end, radix: 16))"
            _ = words(device: facts.device, inode: facts.inode, path: "/proc/\(file.pid)/map_files/\(range)")
        }
        for file in snapshot.openFiles {
            guard let facts = file.facts, facts.type == .regular, file.link.hasPrefix("/") else { continue }
            _ = words(device: facts.device, inode: facts.inode, path: "/proc/\(file.pid)/fd/\(file.fd)")
        }
    }

    /// The first MiB, as CRIU looks at; nothing more than four bytes of what is no ELF file.
    private static func head(of path: String) -> [UInt8] {
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else { return [] }
        var head = [UInt8](repeating: 0, count: 4)
        guard let count = try? file.readAll(into: &head, at: 0), count == 4, head == [0x7f, 0x45, 0x4c, 0x46]
        else {
            return []
        }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        guard let size = try? file.readAll(into: &bytes, at: 0) else { return [] }
        return Array(bytes[0..<size])
    }
}

extension OwnedFD {
    /// Reads at an offset until the buffer is full or the file ends; returns the bytes read.
    fileprivate borrowing func readAll(into buffer: inout [UInt8], at offset: Int) throws(Errno) -> Int {
        try buffer.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try readAll(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
    }
}
