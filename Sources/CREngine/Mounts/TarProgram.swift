import CPlatform
import Glibc

/// The `tar` program, which packs and unpacks the files of a file system as CRIU does it.
///
/// What CRIU's archives lack and its tar reads as well: extended attributes, access lists, times below a second.
enum TarProgram {
    /// Why it failed: a line.
    struct Failure: Error, Equatable {
        let line: String
    }

    private static let common = [
        "--gzip", "--no-unquote", "--no-wildcards", "--preserve-permissions", "--sparse", "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*", "--acls", "--directory", "/proc/self/fd/3",
    ]

    /// Packs what is in a directory, without what is mounted below it. Descriptors are ours; owners are written as
    /// `userNamespace` has them, nil for ours.
    static func pack(_ directory: Int32, into archive: Int32, userNamespace: Int32?) throws(Failure) {
        try run(
            ["--create", "--one-file-system", "--check-links"] + common + ["."],
            input: -1, output: archive, directory, userNamespace)
    }

    /// The reverse, into an empty directory.
    static func unpack(_ archive: Int32, into directory: Int32, userNamespace: Int32?) throws(Failure) {
        try run(["--extract"] + common, input: archive, output: -1, directory, userNamespace)
    }

    private static func run(
        _ words: [String], input: Int32, output: Int32, _ directory: Int32, _ userNamespace: Int32?
    ) throws(Failure) {
        let places: [String] = ["/usr/bin/tar", "/bin/tar"]
        guard let path = places.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure(line: "there is no tar program in /usr/bin or /bin; install tar")
        }
        let said: OwnedFD
        do throws(Errno) {
            said = try OwnedFD.memory("tar", holding: [])
        } catch {
            throw Failure(line: "no memory for what tar says: \(error)")
        }
        let arguments: [UnsafeMutablePointer<CChar>?] = ([path] + words).map { strdup($0) } + [nil]
        // Messages in the language that we read them in, and gzip found.
        let environment: [String] = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
        let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer {
            for word in arguments { free(word) }
            for variable in variables { free(variable) }
        }
        let descriptors: [Int32] = [input, output, said.rawValue, directory]
        let pid = cp_spawn_in_user_ns(
            userNamespace ?? -1, descriptors, Int32(descriptors.count), arguments, variables)
        if pid < 0 { throw Failure(line: "\(path) cannot be started: \(Errno(rawValue: -pid))") }
        let code = end(of: pid)
        if code == 0 { return }
        _ = lseek(said.rawValue, 0, SEEK_SET)
        let text = (try? said.readToEnd(limit: 4096)) ?? []
        // The first line names the cause, the last says only that there was one.
        let line = text.lines.first?.text ?? "it ended with \(code)"
        throw Failure(line: line.hasPrefix("tar:") ? line : "tar: \(line)")
    }

    /// Its exit code, 128 and more for a signal.
    private static func end(of pid: Int32) -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, Int32(bitPattern: UInt32(__WALL))) < 0 {
            if errno != EINTR { return 127 }
        }
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f)
    }
}
