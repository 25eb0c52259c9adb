/// Why something of a network namespace cannot be read or made: what, the fact, and what to do.
package struct NetworkError: Error, Equatable, Sendable, CustomStringConvertible {
    package var subject: String
    package var fact: String
    /// What the kernel said, when it was the kernel that refused.
    package var errno: Errno?
    package var remedy: String?

    init(_ subject: String, _ fact: String, errno: Errno? = nil, remedy: String? = nil) {
        self.subject = subject
        self.fact = fact
        self.errno = errno
        self.remedy = remedy
    }

    /// One line.
    package var description: String {
        "\(subject): \(fact)" + (errno.map { ": \($0)" } ?? "") + (remedy.map { "; \($0)" } ?? "")
    }

    /// Runs a kernel call and says what it was about when it fails.
    static func about<Value: ~Copyable>(
        _ subject: String, _ fact: String, _ body: () throws(Errno) -> Value
    ) throws(NetworkError) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw NetworkError(subject, fact, errno: error)
        }
    }
}
