import CPlatform
import Glibc

/// Streams the content of deleted files into `ghost-file-N.img`.
package enum GhostWriter {
    /// Writes head and content of a deleted file.
    ///
    /// `content` is a descriptor of it, open for reading; nil for what has no content (directories, fifos, links,
    /// devices). Files of 12288 bytes and more are stored in chunks without their holes.
    package static func write(
        _ ghost: GhostImage, contentFD: Int32?, to directory: borrowing OwnedFD
    ) throws(ImageError) {
        let name = ImageName.ghost(ghost.number)
        var head = ImageFileWriter(.ghost, name: name)
        head.append(ghost.packed())
        do throws(Errno) {
            let file = try ImageDirectory.create(name, in: directory)
            try file.writeAll(head.bytes)
            guard let contentFD, ghost.isRegular else { return }
            if ghost.isChunked {
                try copyChunks(of: contentFD, size: Int(clamping: ghost.size), to: file)
            } else {
                try copy(contentFD, from: 0, count: Int(ghost.size), to: file)
            }
        } catch {
            throw ImageError(file: name, "content cannot be copied", errno: error)
        }
    }

    private static func copyChunks(of source: Int32, size: Int, to file: borrowing OwnedFD) throws(Errno) {
        var position = 0
        while position < size, let start = try seek(source, position, SEEK_DATA), start < size {
            let end = min(try seek(source, start, SEEK_HOLE) ?? size, size)
            let chunk = MessageArena.pack { arena in
                let message = arena.make(ghost_chunk_entry__init)
                message.pointee.off = UInt64(start)
                message.pointee.len = UInt64(end - start)
                return message
            }
            try file.writeAll(withUnsafeBytes(of: UInt32(chunk.count).littleEndian) { Array($0) } + chunk)
            try copy(source, from: start, count: end - start, to: file)
            position = end
        }
    }

    /// lseek(2); nil when there is no such place any more (ENXIO).
    private static func seek(_ fd: Int32, _ offset: Int, _ whence: Int32) throws(Errno) -> Int? {
        do throws(Errno) {
            return try systemCall(CP_SYS_lseek, Int(fd), offset, Int(whence))
        } catch {
            if error.rawValue == ENXIO { return nil }
            throw error
        }
    }

    private static func copy(
        _ source: Int32, from start: Int, count: Int, to file: borrowing OwnedFD
    ) throws(Errno) {
        var buffer = [UInt8](repeating: 0, count: min(max(count, 1), 1 << 20))
        var done = 0
        while done < count {
            let wanted = min(buffer.count, count - done)
            let (place, offset) = (done, start)
            let got = try buffer.withUnsafeMutableBufferPointer { (target) throws(Errno) -> Int in
                let got = try systemCall(
                    CP_SYS_pread64, Int(source), Int(bitPattern: target.baseAddress), wanted, offset + place)
                try file.writeAll(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[..<got]))
                return got
            }
            // Shorter than it was when its size was taken.
            if got == 0 { throw Errno(rawValue: ESTALE) }
            done += got
        }
    }
}

/// Streams the content of deleted files out of `ghost-file-N.img`.
package enum GhostReader {
    static func head(
        number: UInt32, in directory: borrowing OwnedFD, _ framing: ImageFileReader.Framing
    ) throws(ImageError) -> GhostImage {
        var reader = try ImageFileReader.open(
            .ghost, name: ImageName.ghost(number), in: directory, framing: framing)
        let (image, isChunked) = try readHead(&reader, number: number)
        // A torn file is found here, before anything is restored.
        if isChunked {
            while let chunk = try nextChunk(&reader, of: image) { try reader.skip(chunk.length) }
        }
        return image
    }

    /// Announcement of the bytes that follow; nil after the last.
    private static func nextChunk(
        _ reader: inout ImageFileReader, of ghost: GhostImage
    ) throws(ImageError) -> (offset: Int, length: Int)? {
        guard let entry = try reader.next() else { return nil }
        let (offset, length) = try entry.read(ghost_chunk_entry__unpack) {
            (message) throws(ImageError) -> (UInt64, UInt64) in (message.off, message.len)
        }
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow, end <= ghost.size else {
            throw entry.error(
                "chunk of \(length) bytes at \(offset) ends after the file's \(ghost.size) bytes")
        }
        return (Int(offset), Int(length))
    }

    private static func readHead(
        _ reader: inout ImageFileReader, number: UInt32
    ) throws(ImageError) -> (image: GhostImage, isChunked: Bool) {
        guard let entry = try reader.next() else {
            throw ImageError(file: reader.name, offset: reader.offset, "has no head")
        }
        return try GhostImage.read(entry, number: number, contentSize: reader.size - reader.offset)
    }

    /// Writes the content of a regular file to `target`, which must be empty; holes stay holes.
    ///
    /// `framing` need not be given for sets that `ImageSet.read` accepted: both framings are tried by their head.
    package static func copyContent(
        of ghost: GhostImage, from directory: borrowing OwnedFD, to target: borrowing OwnedFD
    ) throws(ImageError) {
        let name = ImageName.ghost(ghost.number)
        var reader: ImageFileReader
        do throws(ImageError) {
            reader = try ImageFileReader.open(.ghost, name: name, in: directory)
        } catch {
            reader = try ImageFileReader.open(.ghost, name: name, in: directory, framing: .oneWord)
        }
        let isChunked = try readHead(&reader, number: ghost.number).isChunked
        guard isChunked else {
            try copy(&reader, count: reader.size - reader.offset, to: target, at: 0)
            return
        }
        do throws(Errno) {
            try systemCall(CP_SYS_ftruncate, Int(target.rawValue), Int(clamping: ghost.size))
        } catch {
            throw ImageError(
                file: name, "its \(ghost.size) bytes do not fit where it is restored", errno: error)
        }
        while let chunk = try nextChunk(&reader, of: ghost) {
            try copy(&reader, count: chunk.length, to: target, at: chunk.offset)
        }
    }

    private static func copy(
        _ reader: inout ImageFileReader, count: Int, to target: borrowing OwnedFD, at offset: Int
    ) throws(ImageError) {
        var position = reader.offset
        try reader.skip(count)
        var buffer = [UInt8](repeating: 0, count: min(max(count, 1), 1 << 20))
        var done = 0
        while done < count {
            let part = min(buffer.count, count - done)
            let (from, to) = (position, offset + done)
            try buffer.withUnsafeMutableBufferPointer { (all) throws(ImageError) -> Void in
                let bytes = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(all)[..<part])
                try reader.read(into: bytes, at: from)
                do throws(Errno) {
                    try target.writeAll(UnsafeRawBufferPointer(bytes), at: to)
                } catch {
                    throw ImageError(file: reader.name, "its content cannot be written", errno: error)
                }
            }
            position += part
            done += part
        }
    }
}
