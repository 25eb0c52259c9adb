import FoundationEssentials

/// `crplan.json` in an image directory: state that CRIU's images have no field for.
///
/// CRIU does not look at the file; a set without it restores with the affinity that the restoring process has.
struct ImageExtras: Codable, Equatable {
    struct Thread: Codable, Equatable {
        var tid: Int32
        /// CPUs as 64-bit words, as sched_getaffinity(2) gives them.
        var affinity: [UInt64]
    }
    /// Raised when a reader of an older version would misunderstand the file.
    var version = 1
    var threads: [Thread] = []

    private static let currentVersion = 1
    /// 16384 CPUs, twice what the kernel can be built for.
    private static let mostWords = 256
    private static let longestFile = 64 << 20

    init(_ tree: TreeImage) {
        for task in tree.tasks {
            for thread in task.threads where !thread.affinity.isEmpty {
                threads.append(Thread(tid: thread.tid.rawValue, affinity: thread.affinity))
            }
        }
    }

    /// Writes the file, unless there is nothing to say.
    func write(to directory: borrowing OwnedFD) throws(ImageError) {
        if threads.isEmpty { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let data: [UInt8]
        do {
            data = Array(try encoder.encode(self))
        } catch {
            throw ImageError(file: ImageName.extras, "cannot be encoded: \(error)")
        }
        do throws(Errno) {
            try ImageDirectory.create(ImageName.extras, in: directory).writeAll(data)
        } catch {
            throw ImageError(file: ImageName.extras, "cannot be written", errno: error)
        }
    }

    /// Reads the file; nil when there is none.
    static func read(from directory: borrowing OwnedFD) throws(ImageError) -> ImageExtras? {
        guard let image = try ImageDirectory.openIfPresent(ImageName.extras, in: directory) else {
            return nil
        }
        guard image.size <= longestFile else {
            throw ImageError(file: ImageName.extras, "has \(image.size) bytes, far more than it can need")
        }
        let data: [UInt8]
        do throws(Errno) {
            data = try image.fd.readToEnd()
        } catch {
            throw ImageError(file: ImageName.extras, "cannot be read", errno: error)
        }
        let extras: ImageExtras
        do {
            extras = try JSONDecoder().decode(ImageExtras.self, from: Data(data))
        } catch {
            throw ImageError(file: ImageName.extras, "is not what crplan writes: \(error)")
        }
        guard extras.version == currentVersion else {
            throw ImageError(
                file: ImageName.extras,
                "has version \(extras.version); this crplan reads version \(currentVersion)")
        }
        for thread in extras.threads where thread.affinity.count > mostWords {
            throw ImageError(file: ImageName.extras, "thread \(thread.tid) has too many CPUs")
        }
        return extras
    }

    /// Puts what the file says into the tree's threads.
    func apply(to tree: inout TreeImage) {
        let byThread = Dictionary(
            threads.map { ($0.tid, $0.affinity) }, uniquingKeysWith: { first, _ in first })
        for task in tree.tasks.indices {
            for thread in tree.tasks[task].threads.indices {
                let tid = tree.tasks[task].threads[thread].tid.rawValue
                if let affinity = byThread[tid] { tree.tasks[task].threads[thread].affinity = affinity }
            }
        }
    }
}
