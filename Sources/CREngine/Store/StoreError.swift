/// Why the store could not do what it was asked: a path, the fact, and what helps.
package struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        /// The kernel refused, or a file is not what it has to be.
        case failed
        /// No checkpoint has this name.
        case notFound
        /// Several checkpoints begin with this name.
        case ambiguous
        /// The file system has less free space than the policy demands.
        case noSpace
        /// Somebody holds the checkpoint, or it is held by what came in between.
        case inUse
    }
    package var reason: Reason
    package var subject: String
    package var fact: String
    package var errno: Errno?
    package var remedy: String?

    package init(
        _ reason: Reason = .failed, _ subject: String, _ fact: String, errno: Errno? = nil,
        remedy: String? = nil
    ) {
        self.reason = reason
        self.subject = subject
        self.fact = fact
        self.errno = errno
        self.remedy = remedy
    }

    /// One line: subject, fact, remedy.
    package var description: String {
        var line = "\(subject): \(fact)"
        if let errno { line += ": \(errno)" }
        if let remedy { line += "; \(remedy)" }
        return line
    }

    /// Runs kernel calls and puts what they concern before what the kernel says.
    static func about<Value: ~Copyable>(
        _ subject: @autoclosure () -> String, _ fact: @autoclosure () -> String,
        _ body: () throws(Errno) -> Value
    ) throws(StoreError) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw StoreError(.failed, subject(), fact(), errno: error)
        }
    }
}
