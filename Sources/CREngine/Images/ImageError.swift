/// Why an image file cannot be read or written: the file, where in it, and the fact.
package struct ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Name inside the image directory.
    package var file: String
    /// Byte at which the entry in question begins; nil when the whole file is meant.
    package var offset: Int?
    package var fact: String
    /// What the kernel said, when it was the kernel that refused.
    package var errno: Errno?

    package init(file: String, offset: Int? = nil, _ fact: String, errno: Errno? = nil) {
        self.file = file
        self.offset = offset
        self.fact = fact
        self.errno = errno
    }

    /// One line: `core-12.img:8: …`.
    package var description: String {
        let place = offset.map { "\(file):\($0)" } ?? file
        return errno.map { "\(place): \(fact): \($0)" } ?? "\(place): \(fact)"
    }
}
