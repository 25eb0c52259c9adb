import CPlatform
import Glibc

/// Keeps a published checkpoint in its place: a lock (flock(2)) on its directory, given back when the value goes.
///
/// Who reads it holds it together with others; who pins or deletes it holds it alone.
package struct CheckpointHold: ~Copyable {
    package enum Manner: Sendable {
        case shared
        case alone
        /// Alone, or not at all where another holds it.
        case aloneAtOnce
    }
    private let directory: OwnedFD

    /// Throws `.inUse` for `aloneAtOnce` when another holds it, and `.notFound` when it was deleted before we held it.
    package init(_ checkpoint: Checkpoint, _ manner: Manner) throws(StoreError) {
        let directory = try StoreError.about(checkpoint.path, "cannot be opened") {
            () throws(Errno) -> OwnedFD in try OwnedFD.open(checkpoint.path, O_RDONLY | O_DIRECTORY)
        }
        let flags =
            switch manner {
            case .shared: LOCK_SH
            case .alone: LOCK_EX
            case .aloneAtOnce: LOCK_EX | LOCK_NB
            }
        do throws(Errno) {
            try systemCall(CP_SYS_flock, Int(directory.rawValue), Int(flags))
        } catch {
            if error == .again {
                throw StoreError(.inUse, checkpoint.id, "a restore or another command is using it")
            }
            throw StoreError(.failed, checkpoint.path, "cannot be locked", errno: error)
        }
        var held = stat()
        var present = stat()
        guard fstat(directory.rawValue, &held) == 0, stat(checkpoint.path, &present) == 0,
            held.st_ino == present.st_ino
        else {
            throw StoreError(
                .notFound, checkpoint.id, "was deleted meanwhile",
                remedy: "`crplan list --store \(checkpoint.store.path)` shows what is there")
        }
        self.directory = directory
    }

    /// Gives it back.
    package consuming func end() {}
}
