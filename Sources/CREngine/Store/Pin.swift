package import FoundationEssentials
import Glibc

/// A mark that keeps a checkpoint from being pruned: a file beside its manifest.
///
/// It holds the moment of pinning, for people; that it is there is all that counts.
enum Pin {
    static let fileName = "pinned"
}

extension Checkpoint {
    package var isPinned: Bool { access("\(path)/\(Pin.fileName)", F_OK) == 0 }

    /// Pins it, durably. False where it was pinned before.
    package func pin(at now: Date) throws(StoreError) -> Bool {
        let hold = try CheckpointHold(self, .alone)
        let isNew = !isPinned
        if isNew {
            let directory = try StoreDirectory.open(path)
            try directory.write(Pin.fileName, Array((now.formatted(.iso8601) + "\n").utf8))
            try directory.sync()
        }
        hold.end()
        return isNew
    }

    /// Takes the pin away, durably. False where there was none.
    package func unpin() throws(StoreError) -> Bool {
        let hold = try CheckpointHold(self, .alone)
        let directory = try StoreDirectory.open(path)
        let entry = try directory.entry(Pin.fileName)
        if let entry {
            try directory.remove(entry)
            try directory.sync()
        }
        hold.end()
        return entry != nil
    }
}
