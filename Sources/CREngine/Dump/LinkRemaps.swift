import CPlatform
import Glibc

/// Hard links for files that have lost the name by which the tree knows them and still have others. CRIU calls them
/// link remaps, and names them the same way.
///
/// All go again with the last reference, unless the images are to stay: `keep`.
final class LinkRemaps {
    private let isAllowed: Bool
    private let notes: UndoNotes
    /// See `Snapshot.view`.
    private let view: String
    /// Of a tree with a mount namespace of its own.
    private let mounts: MountNamespaceFacts?
    private let acting: ActingIDs?
    private var names: [(record: HelperNameRecord, mark: UndoNotes.Mark)] = []
    private var isKept = false

    /// `acting`: as whom links are made in the file systems of the tree's own user namespace.
    init(
        isAllowed: Bool, notes: UndoNotes, view: String = "", mounts: MountNamespaceFacts? = nil,
        acting: ActingIDs? = nil
    ) {
        self.view = view
        self.mounts = mounts
        self.acting = acting
        self.isAllowed = isAllowed
        self.notes = notes
    }

    deinit {
        if isKept { return }
        for name in names { _ = try? HelperName.remove(name.record.path, inode: name.record.inode) }
    }

    /// Names that stay as long as their checkpoint, by our own paths. Those that only the tree sees are in its image, with the
    /// file systems that they are in.
    var records: [HelperNameRecord] {
        names.map(\.record).filter { mounts == nil || !$0.path.hasPrefix(view + "/") }
    }

    /// The images in `directory` are about to be published under this path. A rename publishes them, and from then on the
    /// names stay even if nobody lives to say so.
    func announce(_ images: String, of directory: borrowing OwnedFD) throws(DumpError) {
        if names.isEmpty { return }
        do throws(Errno) {
            var status = stat()
            guard fstat(directory.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
            _ = try notes.add(.publishing(images: images, inode: UInt64(status.st_ino)))
        } catch {
            throw .environment("the undo journal cannot be written: \(error)")
        }
    }

    /// The images are complete: their names stay.
    func keep() throws(DumpError) {
        isKept = true
        do throws(Errno) {
            for name in names { try notes.remove(name.mark) }
        } catch {
            throw .environment("the undo journal cannot be written: \(error)")
        }
    }

    /// Links the file behind `content`, a link of /proc, into the directory where it was, or into the next one above that
    /// is still there. `number` is its id in the images. Returns the new path.
    func link(_ path: String, inode: UInt64, content: String, number: UInt32) throws(DumpError) -> String {
        guard isAllowed else {
            throw .cannotCarry(
                "\(path) has no name here and others elsewhere; allow: {link-remap: true} lets a dump give it one"
            )
        }
        var directory = Terminal.parent(of: path)
        while true {
            let base = (directory == "/" ? "" : directory) + "/link_remap.\(number)"
            for attempt in 0..<64 {
                let name = attempt == 0 ? base : "\(base).\(attempt)"
                do throws(Errno) {
                    // The tree, and with it the way by its root, may be gone before the name is.
                    let place = mounts.map { $0.pathOutside(of: name) ?? view + name } ?? name
                    let mark = try notes.add(.name(path: place, inode: inode))
                    try link(content, view + name)
                    names.append((HelperNameRecord(path: place, inode: inode), mark))
                    return name
                } catch {
                    if error == .exists { continue }
                    if error == .noEntry, directory != "/" { break }
                    throw .cannotCarry(
                        "\(path): a hard link \(name) cannot be made for it: \(error)")
                }
            }
            if directory == "/" { throw .cannotCarry("\(path): no directory takes a hard link for it") }
            directory = Terminal.parent(of: directory)
        }
    }

    private func link(_ content: String, _ name: String) throws(Errno) {
        if let acting { return try acting.run { () throws(Errno) in try Self.link(content, name) } }
        try Self.link(content, name)
    }

    private static func link(_ content: String, _ name: String) throws(Errno) {
        if linkat(AT_FDCWD, content, AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0 {
            throw Errno(rawValue: errno)
        }
    }
}
