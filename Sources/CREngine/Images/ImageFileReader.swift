/// Walks the entries of one framed image file.
///
/// Nothing the file says is believed: an entry may not be longer than what is left of the file, nor than a cap.
struct ImageFileReader: ~Copyable {
    /// No message of CRIU comes near this; a longer one is damage.
    static let longestEntry = 64 << 20

    /// Which words open the files of a set (`inventory_entry.img_version`).
    enum Framing: Equatable {
        /// Only the magic of the kind.
        case oneWord
        /// A word common to all images, then the magic of the kind.
        case twoWords
    }

    let name: String
    let size: Int
    /// Bytes consumed.
    private(set) var offset = 0
    private let fd: OwnedFD
    private var buffer: [UInt8] = []
    private var bufferStart = 0

    private init(_ image: consuming OpenImage, name: String) {
        self.name = name
        self.size = image.size
        self.fd = image.fd
    }

    /// Opens a file of a kind and checks its head; nil when there is no such file.
    static func openIfPresent(
        _ kind: ImageKind, name: String, in directory: borrowing OwnedFD, framing: Framing = .twoWords
    ) throws(ImageError) -> ImageFileReader? {
        guard let image = try ImageDirectory.openIfPresent(name, in: directory) else { return nil }
        var reader = ImageFileReader(image, name: name)
        for expected in framing == .oneWord ? [kind.rawValue] : kind.head {
            let at = reader.offset
            let word = try reader.word()
            guard word == expected else {
                throw ImageError(
                    file: name, offset: at,
                    "has 0x\(String(word, radix: 16)) where this kind of image has 0x\(String(expected, radix: 16))"
                )
            }
        }
        return reader
    }

    /// As `openIfPresent`, for files without which a set is not complete.
    static func open(
        _ kind: ImageKind, name: String, in directory: borrowing OwnedFD, framing: Framing = .twoWords
    ) throws(ImageError) -> ImageFileReader {
        if let reader = try openIfPresent(kind, name: name, in: directory, framing: framing) { return reader }
        throw ImageError(file: name, "is missing, so this image set is not complete")
    }

    /// The next entry; nil at the end of the file.
    mutating func next() throws(ImageError) -> ImageEntry? {
        if offset == size { return nil }
        let start = offset
        let count = Int(try word())
        guard count <= Self.longestEntry, count <= size - offset else {
            throw ImageError(
                file: name, offset: start,
                "entry of \(count) bytes does not fit into the \(size - offset) bytes left; the file is damaged"
            )
        }
        return ImageEntry(file: name, offset: start, bytes: try bytes(count))
    }

    /// The only entry of a file that has just one.
    mutating func single() throws(ImageError) -> ImageEntry {
        guard let entry = try next() else { throw ImageError(file: name, offset: offset, "has no entry") }
        guard offset == size else {
            throw ImageError(file: name, offset: offset, "has bytes after its only entry")
        }
        return entry
    }

    /// Raw bytes that follow an entry.
    mutating func payload(_ count: Int) throws(ImageError) -> [UInt8] {
        guard count <= size - offset else {
            throw ImageError(
                file: name, offset: offset, "ends \(count - (size - offset)) bytes before its payload does")
        }
        return try bytes(count)
    }

    /// Steps over raw bytes that somebody else reads.
    mutating func skip(_ count: Int) throws(ImageError) {
        guard count >= 0, count <= size - offset else {
            throw ImageError(file: name, offset: offset, "ends before its payload of \(count) bytes does")
        }
        offset += count
    }

    /// Fills a buffer from anywhere in the file, which must be that long.
    func read(into target: UnsafeMutableRawBufferPointer, at position: Int) throws(ImageError) {
        let count: Int
        do throws(Errno) {
            count = try fd.readAll(into: target, at: position)
        } catch {
            throw ImageError(file: name, offset: position, "cannot be read", errno: error)
        }
        guard count == target.count else {
            throw ImageError(file: name, offset: position, "became shorter while it was read")
        }
    }

    private mutating func word() throws(ImageError) -> UInt32 {
        guard size - offset >= 4 else {
            throw ImageError(file: name, offset: offset, "ends in the middle of a word")
        }
        return try bytes(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    private mutating func bytes(_ count: Int) throws(ImageError) -> [UInt8] {
        if offset < bufferStart || offset + count > bufferStart + buffer.count {
            var fresh = [UInt8](repeating: 0, count: min(max(count, 65536), size - offset))
            let position = offset
            try fresh.withUnsafeMutableBufferPointer { (target) throws(ImageError) -> Void in
                try read(into: UnsafeMutableRawBufferPointer(target), at: position)
            }
            buffer = fresh
            bufferStart = offset
        }
        let start = offset - bufferStart
        offset += count
        return Array(buffer[start..<start + count])
    }
}
