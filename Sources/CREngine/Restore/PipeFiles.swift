import CPlatform
import Glibc

/// The unnamed pipes of a tree: made again once each, filled with what was unread, and opened end by end.
final class PipeFiles {
    private struct Ends {
        var read: Int32
        var write: Int32
        /// The first description of each end is the one that pipe2(2) made; further ones are opened anew.
        var readTaken = false
        var writeTaken = false
    }
    private let data: [UInt32: PipeDataImage]
    private let fifoData: [UInt32: PipeDataImage]
    private var pipes: [UInt32: Ends] = [:]

    init(tree: TreeImage) {
        data = Dictionary(tree.pipeData.map { ($0.pipe, $0) }, uniquingKeysWith: { first, _ in first })
        fifoData = Dictionary(tree.fifoData.map { ($0.pipe, $0) }, uniquingKeysWith: { first, _ in first })
    }

    deinit { closeAll() }

    /// One open description of an end.
    func open(_ id: UInt32, _ image: PipeImage) throws(RestoreError) -> OwnedFD {
        var ends: Ends
        if let known = pipes[image.pipe] { ends = known } else { ends = try make(image.pipe) }
        let access = Int32(bitPattern: image.flags) & O_ACCMODE
        let isFirst: Bool
        switch access {
        case O_RDONLY:
            isFirst = !ends.readTaken
            ends.readTaken = true
        case O_WRONLY:
            isFirst = !ends.writeTaken
            ends.writeTaken = true
        default: isFirst = false
        }
        pipes[image.pipe] = ends
        let source = access == O_WRONLY ? ends.write : ends.read
        // O_LARGEFILE tells that the program itself opened this end through /proc.
        let reopened = image.flags & 0o100000 != 0
        let flags = Int32(bitPattern: image.flags)
        return try RestoreError.about("pipe \(image.pipe)", "its end cannot be opened") {
            () throws(Errno) -> OwnedFD in
            if !isFirst || reopened {
                return try OwnedFD.open(
                    "/proc/self/fd/\(source)", flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC))
            }
            let copy = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_fcntl, Int(source), Int(F_DUPFD_CLOEXEC), 0)))
            try systemCall(CP_SYS_fcntl, Int(source), Int(F_SETFL), Int(flags & ~(O_ACCMODE | O_ASYNC)))
            return copy
        }
    }

    /// Puts the unread bytes of a named pipe back, through an end that is open for both.
    func refillFifo(_ pipe: UInt32, _ fd: Int32, path: String) throws(RestoreError) {
        guard let content = fifoData[pipe] else { return }
        try Self.fill(fd, content, subject: path)
    }

    func closeAll() {
        for ends in pipes.values {
            _ = close(ends.read)
            _ = close(ends.write)
        }
        pipes = [:]
    }

    private func make(_ pipe: UInt32) throws(RestoreError) -> Ends {
        var pair: (Int32, Int32) = (-1, -1)
        try RestoreError.about("pipe \(pipe)", "cannot be made") { () throws(Errno) -> Void in
            try withUnsafeMutablePointer(to: &pair) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_pipe2, Int(bitPattern: pointer), Int(O_CLOEXEC))
            }
        }
        let ends = Ends(read: pair.0, write: pair.1)
        pipes[pipe] = ends
        if let content = data[pipe] { try Self.fill(ends.write, content, subject: "pipe \(pipe)") }
        return ends
    }

    private static func fill(_ fd: Int32, _ content: PipeDataImage, subject: String) throws(RestoreError) {
        if let capacity = content.capacity, capacity > 0 {
            try RestoreError.about(subject, "its capacity of \(capacity) bytes cannot be set") {
                () throws(Errno) -> Void in
                let now = try systemCall(CP_SYS_fcntl, Int(fd), 1032)
                if now != Int(capacity) { try systemCall(CP_SYS_fcntl, Int(fd), 1031, Int(capacity)) }
            }
        }
        try RestoreError.about(subject, "its \(content.bytes.count) unread bytes cannot be put back") {
            () throws(Errno) -> Void in
            let flags = try systemCall(CP_SYS_fcntl, Int(fd), Int(F_GETFL))
            // A pipe that is too small for its bytes has to be an error, not a wait for ever.
            try systemCall(CP_SYS_fcntl, Int(fd), Int(F_SETFL), flags | Int(O_NONBLOCK))
            try content.bytes.withUnsafeBufferPointer { (bytes) throws(Errno) -> Void in
                var done = 0
                while done < bytes.count {
                    let address = Int(bitPattern: bytes.baseAddress) + done
                    done += try systemCall(CP_SYS_write, Int(fd), address, bytes.count - done)
                }
            }
            try systemCall(CP_SYS_fcntl, Int(fd), Int(F_SETFL), flags)
        }
    }
}
