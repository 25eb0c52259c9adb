import CPlatform
import Glibc

/// Finds the systemd service of a process by its control group and the unit files on disk; systemd is not asked.
struct UnitFiles: Sendable {
    /// Where the file system begins; another directory for tests.
    private let root: String

    /// The highest precedence first; the unit search path of systemd.unit(5).
    private static let directories = [
        "/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
        "/run/systemd/generator.early", "/etc/systemd/system", "/etc/systemd/system.attached",
        "/run/systemd/system", "/run/systemd/system.attached", "/run/systemd/generator",
        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/run/systemd/generator.late",
    ]
    private static let userDirectories = [
        "/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user",
    ]

    init(root: String = "") { self.root = root }

    /// The service whose main process is the root of a tree. Nil where its parent belongs to the service too, so that
    /// the service goes on without it.
    func service(ofMain snapshot: Snapshot) -> ServiceUnit? {
        guard let root = snapshot.task(snapshot.root), let unit = service(of: root.cgroups),
            UnitFiles.path(snapshot.parentCgroups).flatMap(ServiceUnit.name) != unit.name
        else { return nil }
        return unit
    }

    /// The service that a task with these control groups belongs to. Nil where it belongs to none, or no file tells
    /// of it.
    func service(of cgroups: [CgroupRow]) -> ServiceUnit? {
        guard let path = UnitFiles.path(cgroups), let name = ServiceUnit.name(inCgroup: path) else {
            return nil
        }
        let isUsers = path.split(separator: "/").dropLast().contains { $0.hasPrefix("user@") }
        let directories = (isUsers ? UnitFiles.userDirectories : UnitFiles.directories).map { root + $0 }
        return service(name, in: directories)
    }

    /// In the hierarchy that systemd keeps its units in.
    private static func path(_ cgroups: [CgroupRow]) -> String? {
        (cgroups.first { $0.hierarchy == 0 } ?? cgroups.first { $0.controllers == "name=systemd" })?.path
    }

    private func service(_ name: String, in directories: [String]) -> ServiceUnit? {
        var unit = ServiceUnit(name: name, settings: [:])
        let main = ServiceUnit.fileNames(of: name).lazy.flatMap { file in
            directories.lazy.compactMap { UnitFiles.text("\($0)/\(file)") }
        }.first
        let dropIns = self.dropIns(of: name, in: directories)
        if main == nil, dropIns.isEmpty { return nil }
        if let main { unit.read(main) }
        for path in dropIns { unit.read(UnitFiles.text(path) ?? "") }
        return unit
    }

    /// By file name, whatever directory they are in; of two of one name the one of higher precedence counts.
    private func dropIns(of name: String, in directories: [String]) -> [String] {
        var chosen: [String: String] = [:]
        for dropIn in ServiceUnit.dropInNames(of: name) {
            for directory in directories.reversed() {
                let place = "\(directory)/\(dropIn)"
                for file in UnitFiles.names(in: place) where file.hasSuffix(".conf") {
                    chosen[file] = "\(place)/\(file)"
                }
            }
        }
        return chosen.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map(\.value)
    }

    /// Nil for a file that is not there. A masked unit (a link to /dev/null) reads as empty.
    private static func text(_ path: String) -> String? {
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NONBLOCK), let bytes = try? file.readToEnd()
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}
