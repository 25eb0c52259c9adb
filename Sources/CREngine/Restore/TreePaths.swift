import CPlatform
import Glibc

/// Where the paths of a tree lead: as ours do, or, once it has entered a mount namespace of its own, from the root of that.
final class TreePaths {
    private var root: OwnedFD?
    private let acting: ActingIDs?

    /// `acting`: as whom files are made in the file systems of the tree's own user namespace; nil for as we are.
    init(acting: ActingIDs? = nil) { self.acting = acting }

    /// From here on paths are those that a stub sees, whose root is that of its namespace.
    func enter(_ stub: StubThread) throws(RestoreError) {
        root = try RestoreError.about("task \(stub.tid)", "its root directory cannot be opened") {
            () throws(Errno) in try OwnedFD.open("/proc/\(stub.tid)/root", O_PATH | O_DIRECTORY)
        }
    }

    /// Does something with the tree's root as our own. What it opens is of the tree's mounts; /proc is as the tree has it, or
    /// is not there.
    func inside<Value: ~Copyable, Problem: Error>(
        _ body: () throws(Problem) -> Value
    ) throws(Problem) -> Value {
        guard let inner = root?.rawValue else { return try body() }
        let here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)
        let outer = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)
        // Nothing that follows may happen in the wrong place.
        guard here >= 0, outer >= 0, fchdir(inner) == 0, chroot(".") == 0 else { abort() }
        defer {
            if fchdir(outer) != 0 || chroot(".") != 0 || fchdir(here) != 0 { abort() }
            close(here)
            close(outer)
        }
        guard let acting else { return try body() }
        return try acting.run(body)
    }
}
