import CPlatform
import Glibc

/// A file of another program's directory that crplan writes and later knows again: its first line says so, with a digest
/// of the lines that follow.
package struct ManagedFile: Sendable, Equatable {
    /// What is there under its name.
    package enum State: Sendable, Equatable {
        case absent
        /// Ours, and what it should be.
        case current
        /// Ours, and something else than it should be.
        case outdated
        /// Ours once, and changed by somebody since.
        case edited
        /// Not ours.
        case foreign
    }

    private static let mark = "# managed by crplan, digest "

    package let name: String
    /// All of it, the mark included.
    package let text: String

    /// `body` is all but the first line, with a newline at its end.
    init(name: String, body: String) throws(ScheduleError) {
        self.name = name
        text = ManagedFile.mark + (try ManagedFile.digest(body)) + "\n" + body
    }

    package func state(in directory: String) throws(ScheduleError) -> State {
        guard let present = try ManagedFile.read("\(directory)/\(name)") else { return .absent }
        guard present != text else { return .current }
        return try ManagedFile.owner(of: present)
    }

    /// `outdated` stands for any file of ours.
    static func state(of name: String, in directory: String) throws(ScheduleError) -> State {
        guard let present = try read("\(directory)/\(name)") else { return .absent }
        return try owner(of: present)
    }

    private static func owner(of present: String) throws(ScheduleError) -> State {
        guard present.hasPrefix(mark), let end = present.firstIndex(of: "\n") else { return .foreign }
        let said = present[present.index(present.startIndex, offsetBy: mark.count)..<end]
        return said == (try digest(String(present[present.index(after: end)...]))) ? .outdated : .edited
    }

    /// Puts the file in place in one step, durably, mode 0644.
    func write(in directory: String) throws(ScheduleError) {
        // cron and systemd look at no such name.
        let temporary = "\(directory)/.\(name).\(getpid())"
        do throws(Errno) {
            let place = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY)
            _ = unlink(temporary)
            let file = try OwnedFD.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
            do throws(Errno) {
                // Whatever the umask took away: cron and systemd read it in any case, and others may.
                try systemCall(CP_SYS_fchmod, Int(file.rawValue), 0o644)
                try file.writeAll(Array(text.utf8))
                try systemCall(CP_SYS_fsync, Int(file.rawValue))
                if rename(temporary, "\(directory)/\(name)") != 0 { throw Errno(rawValue: errno) }
            } catch {
                _ = unlink(temporary)
                throw error
            }
            try systemCall(CP_SYS_fsync, Int(place.rawValue))
        } catch {
            throw ScheduleError(
                "\(directory)/\(name)", "cannot be written: \(error)", remedy: "run crplan as root")
        }
    }

    static func remove(_ name: String, in directory: String) throws(ScheduleError) {
        if unlink("\(directory)/\(name)") != 0 {
            let fact = "cannot be removed: \(Errno(rawValue: errno))"
            throw ScheduleError("\(directory)/\(name)", fact, remedy: "run crplan as root")
        }
    }

    /// Nil where nothing is. A link, a directory or a large file is as good as a foreign file: an empty text.
    private static func read(_ path: String) throws(ScheduleError) -> String? {
        var status = stat()
        if lstat(path, &status) != 0 {
            if errno == ENOENT { return nil }
            let fact = "cannot be examined: \(Errno(rawValue: errno))"
            throw ScheduleError(path, fact, remedy: "name another --directory, or run crplan as root")
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size < 1 << 20 else { return "" }
        do throws(Errno) {
            return String(decoding: try OwnedFD.open(path, O_RDONLY | O_NOFOLLOW).readToEnd(), as: UTF8.self)
        } catch {
            throw ScheduleError(path, "cannot be read: \(error)", remedy: "run crplan as root")
        }
    }

    private static func digest(_ text: String) throws(ScheduleError) -> String {
        do throws(StoreError) {
            return try Digest.of(Array(text.utf8)).hexadecimal
        } catch {
            throw ScheduleError("crplan", "\(error)", remedy: "repair libcrypto")
        }
    }
}
