import Glibc

/// Whether a dump tells pages apart from earlier ones, and lets later dumps do so.
struct PageTracking {
    let previous: PreviousImages?
    /// Hashes are written, so that a later dump can continue this one.
    let isOn: Bool
    /// Who knows what was written since; nil where nothing is tracked.
    let writes: WriteTracker?
    private let log: EngineLog

    /// `images` is the directory of the dump.
    init(_ options: DumpOptions, images: borrowing OwnedFD, log: EngineLog) throws(DumpError) {
        self.log = log
        previous = try options.previousImages.map { (path) throws(DumpError) in
            try PreviousImages(path, from: images)
        }
        isOn = options.tracksMemory || previous != nil
        let mayRunOn = options.after != .kill && options.tracksMemory
        writes = isOn ? WriteTracker(root: options.root, runsOn: mayRunOn, log: log) : nil
    }

    /// Makes the link, or removes that of images which are overwritten. Only when the dump begins to write.
    func link(_ images: borrowing OwnedFD) throws(DumpError) {
        do throws(Errno) {
            try Self.point(images, at: previous?.path)
        } catch {
            throw .image("the link to the earlier images", error)
        }
    }

    private static func point(_ images: borrowing OwnedFD, at path: String?) throws(Errno) {
        var present = stat()
        if fstatat(images.rawValue, ImageName.parent, &present, AT_SYMLINK_NOFOLLOW) == 0,
            present.st_mode & S_IFMT == S_IFLNK,
            unlinkat(images.rawValue, ImageName.parent, 0) != 0
        {
            throw Errno(rawValue: errno)
        }
        guard let path else { return }
        if symlinkat(path, images.rawValue, ImageName.parent) != 0 { throw Errno(rawValue: errno) }
    }

    /// Whether what a task wrote since the earlier set is known.
    func knowsWrites(of pid: PID) -> Bool {
        guard let writes, let base = writes.base, let watch = writes.watch(pid) else { return false }
        return !watch.isFresh && base == previous?.runID
    }

    /// What the earlier set has of one pagemap. Damage there is told in the log, and everything stored anew: that makes
    /// the new set larger and no less whole.
    func earlierPages(of pagemap: String) -> PreviousPages? {
        do throws(ImageError) {
            return try previous?.pages(named: pagemap)
        } catch {
            log.warning("The earlier images at \(previous?.path ?? "") are not continued: \(error)")
            return nil
        }
    }

    /// Tells the log how the changed pages of a process were found.
    func note(_ pid: PID, _ pagemap: PagemapImage, _ manner: String) {
        if previous == nil { return }
        let all = pagemap.extents.reduce(0) { $0 + $1.pages }
        log.info("Process \(pid): \(all - pagemap.pagesInParent) of \(all) pages changed, \(manner)")
    }

    /// Gives up a link that nothing needs.
    static func unlink(_ images: borrowing OwnedFD) throws(DumpError) {
        do throws(Errno) { try point(images, at: nil) } catch {
            throw .image("the link to the earlier images", error)
        }
    }
}
