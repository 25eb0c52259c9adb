import Glibc

/// Whether a dump tells pages apart from earlier ones, and lets later dumps do so.
struct PageTracking {
    let previous: PreviousImages?
    /// Hashes are written, so that a later dump can continue this one.
    let isOn: Bool
    private let log: EngineLog

    /// `images` is the directory of the dump; a link to the earlier set is made there, or an old one removed.
    init(_ options: DumpOptions, images: borrowing OwnedFD, log: EngineLog) throws(DumpError) {
        self.log = log
        previous = try options.previousImages.map { (path) throws(DumpError) in
            try PreviousImages(path, from: images)
        }
        isOn = options.tracksMemory || previous != nil
        do throws(Errno) {
            try Self.point(images, at: options.previousImages)
        } catch {
            throw .image("the link to the earlier images", error)
        }
    }

    private static func point(_ images: borrowing OwnedFD, at path: String?) throws(Errno) {
        if unlinkat(images.rawValue, ImageName.parent, 0) != 0, errno != ENOENT {
            throw Errno(rawValue: errno)
        }
        guard let path else { return }
        if symlinkat(path, images.rawValue, ImageName.parent) != 0 { throw Errno(rawValue: errno) }
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

    /// Gives up a link that nothing needs.
    static func unlink(_ images: borrowing OwnedFD) throws(DumpError) {
        do throws(Errno) { try point(images, at: nil) } catch {
            throw .image("the link to the earlier images", error)
        }
    }
}
