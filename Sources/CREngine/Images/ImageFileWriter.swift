import CPlatform
import Glibc

/// Builds one framed image file in memory and puts it into an image directory.
struct ImageFileWriter {
    let name: String
    private(set) var bytes: [UInt8] = []

    init(_ kind: ImageKind, name: String) {
        self.name = name
        for word in kind.head { append(word) }
    }

    /// Appends an entry: its size as a 32-bit word, then the packed message.
    mutating func append(_ message: [UInt8]) {
        append(UInt32(message.count))
        bytes += message
    }

    /// Appends raw bytes, which belong to the entry before them.
    mutating func append(payload: [UInt8]) {
        bytes += payload
    }

    private mutating func append(_ word: UInt32) {
        withUnsafeBytes(of: word.littleEndian) { bytes += $0 }
    }

    /// Creates the file, or replaces one of the same name. Nothing is flushed to disk here.
    func save(in directory: borrowing OwnedFD) throws(ImageError) {
        do throws(Errno) {
            try ImageDirectory.create(name, in: directory).writeAll(bytes)
        } catch {
            throw ImageError(file: name, "cannot be written", errno: error)
        }
    }
}

/// Opening of files in an image directory.
enum ImageDirectory {
    /// Creates an empty file that only its owner can read: images hold the memory of programs.
    static func create(_ name: String, in directory: borrowing OwnedFD) throws(Errno) -> OwnedFD {
        try OwnedFD.openat(
            directory.rawValue, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
    }

    /// Opens a regular file for reading and tells its size in bytes; nil when it does not exist.
    static func openIfPresent(_ name: String, in directory: borrowing OwnedFD) throws(ImageError)
        -> OpenImage?
    {
        let fd: OwnedFD
        do throws(Errno) {
            fd = try OwnedFD.openat(directory.rawValue, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        } catch {
            if error == .noEntry { return nil }
            throw ImageError(file: name, "cannot be opened", errno: error)
        }
        var status = stat()
        guard fstat(fd.rawValue, &status) == 0 else {
            throw ImageError(file: name, "cannot be examined", errno: Errno(rawValue: Glibc.errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ImageError(file: name, "is not a regular file")
        }
        return OpenImage(fd: fd, size: Int(status.st_size))
    }
}

/// A file of an image directory, open for reading, and its size in bytes.
struct OpenImage: ~Copyable {
    let fd: OwnedFD
    let size: Int

    consuming func takeFD() -> OwnedFD { fd }
}

extension OwnedFD {
    /// Reads at an offset until the buffer is full or the file ends; returns the bytes read. See pread(2).
    borrowing func readAll(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(Errno) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try systemCall(
                CP_SYS_pread64, Int(rawValue), Int(bitPattern: buffer.baseAddress) + done,
                buffer.count - done,
                offset + done)
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all bytes at an offset, without moving the descriptor's own. See pwrite(2).
    borrowing func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Errno) {
        var done = 0
        while done < bytes.count {
            done += try systemCall(
                CP_SYS_pwrite64, Int(rawValue), Int(bitPattern: bytes.baseAddress) + done, bytes.count - done,
                offset + done)
        }
    }
}
