/// What /proc said of one process, before anything of it was compared with other processes.
struct TaskReading: Sendable {
    /// A link of /proc and what it leads to.
    struct Link: Sendable {
        var text: String
        var facts: FileFacts
    }
    /// One descriptor, as its link and its fdinfo have it.
    struct OpenDescriptor: Sendable {
        var fd: Int32
        var link: String
        /// Nil where the kernel refused.
        var facts: FileFacts?
        /// Flags with O_CLOEXEC.
        var info: DescriptorInfo
        /// Tells its open file among all that have one: see `DescriptorNotesReader`.
        var address: UInt64?
    }
    /// Tells a mapped file.
    struct MappedFileKey: Hashable, Sendable {
        var device: DeviceNumber
        var inode: UInt64
        var name: String

        init(_ row: AreaRow) {
            device = row.device
            inode = row.inode
            name = row.name
        }
    }

    /// Without paths that are checked, mappings, descriptors, and what it shares with others.
    var task: TaskFacts
    /// /proc/PID/cgroup as it is; threads that are in the same groups have the same.
    var cgroupText: [UInt8] = []
    /// Of all its threads.
    var children: [PID] = []
    var exe: Link?
    var cwd: Link?
    var rootDirectory: Link?
    /// Mounts of a process that has others than ours.
    var mounts: [MountRow] = []
    var areas: [AreaRow] = []
    /// Mapped files that the reader had not met before.
    var mappedFiles: [MappedFileKey: FileFacts] = [:]
    var descriptors: [OpenDescriptor] = []
    var events: [CollectionEvent] = []
}

/// Why one process could not be read.
enum TaskReadError: Error {
    case vanished
    case format(ProcFormatError)
    case denied(String, Errno)
}
