internal import Glibc

/// Reads policy files from disk.
extension PolicyLoader {
    /// The policies at paths in order. A directory stands for every `*.yaml` and `*.yml` in it, in name order.
    package func load(paths: [String]) throws(PolicyError) -> [Policy] {
        var files: [PolicyFile] = []
        var faults: [Diagnostic] = []
        var untold = 0
        for path in paths.flatMap({ PolicyLoader.expand($0, &faults) }) {
            PolicyLoader.read(path, &files, &faults)
        }
        do throws(PolicyError) {
            let policies = try load(files)
            if faults.isEmpty { return policies }
        } catch {
            faults += error.diagnostics
            untold = error.untold
        }
        throw PolicyError(diagnostics: faults, untold: untold)
    }

    private static func expand(_ path: String, _ faults: inout [Diagnostic]) -> [String] {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return [path] }
        guard let directory = opendir(path) else {
            faults.append(.unreadable(file: path, reason: String(cString: strerror(errno))))
            return []
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".yaml") || name.hasSuffix(".yml"), !name.hasPrefix(".") { names.append(name) }
        }
        if names.isEmpty { faults.append(.emptyDirectory(file: path)) }
        return names.sorted().map { path.hasSuffix("/") ? path + $0 : path + "/" + $0 }
    }

    /// One byte more than a policy may have is enough to refuse it, so an endless file does no harm.
    private static func read(_ path: String, _ files: inout [PolicyFile], _ faults: inout [Diagnostic]) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            faults.append(.unreadable(file: path, reason: String(cString: strerror(errno))))
            return
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: maximumFileSize + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else {
                faults.append(.unreadable(file: path, reason: String(cString: strerror(errno))))
                return
            }
            if got == 0 { break }
            count += got
        }
        files.append(PolicyFile(name: path, bytes: Array(bytes[..<count])))
    }
}
