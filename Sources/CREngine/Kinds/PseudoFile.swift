/// A file of a file system that shows the kernel's own state.
package enum PseudoFile: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
        package let fileSystem: String
    }
    package static let tag = FileTag.pseudoFile

    private static let fileSystems: Set<String> = [
        "proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "bpf",
        "selinuxfs",
        "binfmt_misc", "pstore", "efivarfs", "fusectl", "rpc_pipefs", "nfsd", "resctrl",
    ]

    static func isPseudo(_ file: OpenFile) -> Bool {
        file.fileSystem.map { fileSystems.contains($0) } ?? false
    }

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard let fileSystem = file.fileSystem, fileSystems.contains(fileSystem) else { return nil }
        return State(path: file.link, fileSystem: fileSystem)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        [Finding(.pseudoFile, context.object(file), "\(state.path) on \(state.fileSystem)")]
    }
}
