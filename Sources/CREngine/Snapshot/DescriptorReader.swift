import CPlatform
import Glibc

/// Reads descriptors of one process: link, fdinfo, and once for each file what stat(2) says of it.
struct DescriptorReader: Sendable {
    /// Tells a file among those that are open: the mount tells the file system, within which the inode is.
    struct FileKey: Hashable {
        var link: String
        var mount: Int32
        var inode: UInt64
    }

    let pid: PID
    let isFrozen: Bool
    var knownFacts: [FileKey: FileFacts]
    private(set) var descriptors: [TaskReading.OpenDescriptor] = []
    private(set) var events: [CollectionEvent] = []

    /// How often what a running process changes under the look is read anew.
    static let attempts = 16

    init(pid: PID, isFrozen: Bool, knownFacts: [FileKey: FileFacts]) {
        self.pid = pid
        self.isFrozen = isFrozen
        self.knownFacts = knownFacts
    }

    /// `links` and `infos` are the directories fd and fdinfo of the process.
    mutating func read(
        _ numbers: ArraySlice<Int32>, _ links: borrowing ProcDirectory, _ infos: borrowing ProcDirectory
    ) {
        for fd in numbers {
            do throws(Errno) {
                descriptors.append(try read(fd, links, infos))
            } catch {
                events.append(
                    error == .noEntry
                        ? .descriptorClosed(pid, fd) : .unreadable(pid, what: "fd/\(fd)", error))
            }
        }
    }

    /// Throws ENOENT where the descriptor is closed, or leads elsewhere as often as it is read.
    private mutating func read(
        _ fd: Int32, _ links: borrowing ProcDirectory, _ infos: borrowing ProcDirectory
    ) throws(Errno) -> TaskReading.OpenDescriptor {
        let name = "\(fd)"
        for _ in 0..<Self.attempts {
            let link = try links.link(name)
            let bytes = try infos.readRecord(name)
            let info: DescriptorInfo
            do throws(ProcFormatError) {
                info = try DescriptorInfo(parsing: bytes)
            } catch {
                throw Errno.noEntry
            }
            let key = FileKey(link: link, mount: info.mount, inode: info.inode)
            if let facts = knownFacts[key] { return .init(fd: fd, link: link, facts: facts, info: info) }
            var facts: FileFacts?
            var refusal: Errno?
            do throws(Errno) { facts = try links.facts(name) } catch { refusal = error }
            // A shell lends its descriptors to one command after the other; name and file are of one look only where
            // the name is still the same.
            if !isFrozen {
                let now = try links.link(name)
                if now != link { continue }
            }
            if let refusal { events.append(.unreadable(pid, what: "fd/\(fd)", refusal)) }
            knownFacts[key] = facts
            return .init(fd: fd, link: link, facts: facts, info: info)
        }
        throw .noEntry
    }
}
