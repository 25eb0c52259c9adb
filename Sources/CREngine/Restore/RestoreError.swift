/// Why a tree cannot be restored: whom it concerns, what is the case, and what helps.
package struct RestoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A task, a path, an image: what the fact is about.
    package var subject: String
    package var fact: String
    /// What the kernel said, when it was the kernel that refused.
    package var errno: Errno?
    package var remedy: String?
    /// What CRIU has for it: `errno`, or EEXIST for an id that is taken. Not in the line.
    package var code: Errno?

    package init(_ subject: String, _ fact: String, errno: Errno? = nil, remedy: String? = nil) {
        code = errno
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

    /// Runs kernel calls of our own and puts what they concern before what the kernel says.
    static func about<Value: ~Copyable>(
        _ subject: @autoclosure () -> String, _ fact: @autoclosure () -> String,
        _ body: () throws(Errno) -> Value
    ) throws(RestoreError) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw RestoreError(subject(), fact(), errno: error)
        }
    }
}
