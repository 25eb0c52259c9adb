import Dispatch
import Synchronization

/// Looks at paths on another thread, and gives up on one that does not answer.
///
/// A file system can be served by a process of the very tree that is frozen (FUSE, a network file system on this
/// machine): who asks it then would wait for ever, with the tree stopped. The thread that asked goes on waiting, alone;
/// once the tree runs again it gets its answer and ends.
final class PatientLook: Sendable {
    typealias Look = @Sendable (String) -> Result<FileFacts, Errno>

    private let milliseconds: Int
    private let look: Look
    /// One that did not answer is enough: others of the same server would not either.
    private let isStuck = Mutex(false)

    init(milliseconds: Int = 1000, look: @escaping Look = PatientLook.atFile) {
        self.milliseconds = milliseconds
        self.look = look
    }

    /// What the path leads to, itself where it is a link. Throws ETIMEDOUT where nobody answers.
    func facts(of path: String) throws(Errno) -> FileFacts {
        if isStuck.withLock({ $0 }) { throw .timedOut }
        let answer = Answer()
        let look = self.look
        DispatchQueue.global(qos: .userInitiated).async {
            answer.result.withLock { $0 = look(path) }
            answer.isThere.signal()
        }
        guard answer.isThere.wait(timeout: .now() + .milliseconds(milliseconds)) == .success,
            let result = answer.result.withLock({ $0 })
        else {
            isStuck.withLock { $0 = true }
            throw .timedOut
        }
        return try result.get()
    }

    private final class Answer: Sendable {
        let result = Mutex<Result<FileFacts, Errno>?>(nil)
        let isThere = DispatchSemaphore(value: 0)
    }

    private static let atFile: Look = { path in
        do throws(Errno) {
            return .success(try FileFacts.of(path, followingLinks: false))
        } catch {
            return .failure(error)
        }
    }
}
