/// Open files of the tree, each once, however many descriptors of however many tasks refer to it.
///
/// Among those that look alike, their addresses in the kernel decide where these are known, else kcmp(2); facts that differ
/// between any two open files keep the number of candidates small.
struct OpenFileTable {
    private struct Look: Hashable {
        var link: String
        var device: DeviceNumber?
        var inode: UInt64
        var flags: UInt32
        var mount: Int32
        /// Zero while the file may move between two looks.
        var position: UInt64
    }
    private enum Alike {
        case addressed([UInt64: OpenFileID])
        case compared(KcmpClasses<OpenFileID>)
    }
    private var found: [OpenFile] = []
    private var classes: [Look: Alike] = [:]
    /// What an earlier look found, by descriptor.
    private var ranks: [PID: [Int32: Int]] = [:]

    /// `earlier` is a look at the same tree, which tells where to begin.
    init(earlier: Snapshot? = nil) {
        guard let earlier else { return }
        for task in earlier.tasks {
            for descriptor in task.descriptors {
                ranks[task.pid, default: [:]][descriptor.fd] = earlier[descriptor.file].rank
            }
        }
    }

    /// In the order in which they were met, with their ranks.
    var files: [OpenFile] {
        var files = found
        for case .compared(let alike) in classes.values {
            for (rank, id) in alike.ordered.enumerated() { files[id.rawValue].rank = rank }
        }
        return files
    }

    /// The number of this open file. Throws EBADF where the descriptor has been closed meanwhile.
    mutating func id(
        of file: OpenFile, address: UInt64?, checksPosition: Bool
    ) throws(Errno) -> OpenFileID {
        let look = Look(
            link: file.link, device: file.facts?.device, inode: file.inode, flags: file.info.flags,
            mount: file.info.mount, position: checksPosition ? file.info.position : 0)
        let next = OpenFileID(rawValue: found.count)
        var alike =
            classes.removeValue(forKey: look)
            ?? (address == nil ? .compared(KcmpClasses(.file)) : .addressed([:]))
        defer { classes[look] = alike }
        let id = try self.id(of: file, address, among: &alike, next)
        if id == next {
            var added = file
            added.id = next
            found.append(added)
        }
        return id
    }

    private func id(
        of file: OpenFile, _ address: UInt64?, among alike: inout Alike, _ next: OpenFileID
    ) throws(Errno) -> OpenFileID {
        if case .addressed(var known) = alike, let address {
            // Changed in place.
            alike = .addressed([:])
            let id = known[address] ?? next
            known[address] = id
            alike = .addressed(known)
            return id
        }
        var compared = try compared(alike)
        alike = .addressed([:])
        defer { alike = .compared(compared) }
        return try compared.value(file.pid, file.fd, rank: ranks[file.pid]?[file.fd]) { next }
    }

    /// As of now they are compared: the address of one is not known.
    private func compared(_ alike: Alike) throws(Errno) -> KcmpClasses<OpenFileID> {
        switch alike {
        case .compared(let classes): return classes
        case .addressed(let known):
            var classes = KcmpClasses<OpenFileID>(.file)
            for id in known.values.sorted(by: { $0.rawValue < $1.rawValue }) {
                let file = found[id.rawValue]
                do throws(Errno) {
                    _ = try classes.value(file.pid, file.fd) { id }
                } catch {
                    // Closed since, in a running tree.
                    guard error == .noProcess || error == .badDescriptor else { throw error }
                }
            }
            return classes
        }
    }
}
