/// The kinds of framed image files, each with the magic that opens it.
package enum ImageKind: UInt32, Sendable {
    case inventory = 0x5831_3116
    case pstree = 0x5027_3030
    case core = 0x5505_3847
    case ids = 0x5443_2030
    case memory = 0x5749_2820
    case filesystem = 0x5140_3912
    case descriptors = 0x5621_3732
    case files = 0x5630_3138
    case pagemap = 0x5608_4025
    case remap = 0x5913_3954
    case ghost = 0x5258_3605
    case pipeData = 0x5645_3709
    case fifoData = 0x5933_3054
    case socketQueues = 0x5626_4026
    case tcpStream = 0x5146_5506
    case cgroup = 0x5938_3330
    case seccomp = 0x6441_3049
    case memfd = 0x4845_3499
    case terminalInfo = 0x5945_3036
    case terminalData = 0x5941_3026
    case timeNamespace = 0x4311_4433
    case fileLocks = 0x5432_3616
    case sharedSegments = 0x4628_3044
    case semaphoreSets = 0x5957_3019
    case messageQueues = 0x5545_3737
    case hostNames = 0x5447_3203
    case ipcSettings = 0x5311_5007
    case processor = 0x6140_4013
    case networkDevices = 0x5737_3951
    case networkNamespace = 0x5593_3752
    case pidNamespace = 0x6115_7326
    case stats = 0x5709_3306
    case mounts = 0x5556_3928
    case userNamespace = 0x5547_4906

    static let common: UInt32 = 0x5456_4319
    static let service: UInt32 = 0x5510_5940

    /// The words that open a file of this kind in image version 1.1.
    var head: [UInt32] {
        switch self {
        case .inventory: [rawValue]
        case .stats: [Self.service, rawValue]
        default: [Self.common, rawValue]
        }
    }
}

/// Names of the files in an image directory.
package enum ImageName {
    package static let inventory = "inventory.img"
    package static let pstree = "pstree.img"
    package static let files = "files.img"
    package static let remap = "remap-fpath.img"
    package static let pipeData = "pipes-data.img"
    package static let fifoData = "fifo-data.img"
    package static let socketQueues = "sk-queues.img"
    package static let cgroup = "cgroup.img"
    package static let processor = "cpuinfo.img"
    package static let seccomp = "seccomp.img"
    package static let memfd = "memfd.img"
    package static let fileLocks = "filelocks.img"
    package static let terminalInfo = "tty-info.img"
    package static let terminalData = "tty-data.img"
    /// Clocks of a time namespace, by its number in `ids-PID.img`; 0 for that of the host.
    package static func clocks(_ namespace: UInt32) -> String { "timens-\(namespace).img" }
    /// Link to the image set that this one continues.
    package static let parent = "parent"
    /// What CRIU's files have no field for.
    package static let extras = "crplan.json"
    package static func hostNames(_ namespace: UInt32) -> String { "utsns-\(namespace).img" }
    package static func pidNamespace(_ namespace: UInt32) -> String { "pidns-\(namespace).img" }
    package static func ipcSettings(_ namespace: UInt32) -> String { "ipcns-var-\(namespace).img" }
    /// Of one ipc namespace, by its number in `ids-PID.img`.
    package static func sharedSegments(_ namespace: UInt32) -> String { "ipcns-shm-\(namespace).img" }
    package static func semaphoreSets(_ namespace: UInt32) -> String { "ipcns-sem-\(namespace).img" }
    package static func messageQueues(_ namespace: UInt32) -> String { "ipcns-msg-\(namespace).img" }
    package static func posixQueues(_ namespace: UInt32) -> String { "ipcns-mqueue-\(namespace).img" }
    package static func userNamespace(_ namespace: UInt32) -> String { "userns-\(namespace).img" }
    /// The mounts of one mount namespace, by its number in `ids-PID.img`.
    package static func mounts(_ namespace: UInt32) -> String { "mountpoints-\(namespace).img" }
    /// What a file system in memory holds, by its device in the kernel's encoding.
    package static func mountContents(_ device: UInt32) -> String { "tmpfs-dev-\(device).tar.gz.img" }
    package static func core(_ tid: Int32) -> String { "core-\(tid).img" }
    package static func ids(_ pid: PID) -> String { "ids-\(pid).img" }
    package static func memory(_ pid: PID) -> String { "mm-\(pid).img" }
    package static func filesystem(_ pid: PID) -> String { "fs-\(pid).img" }
    package static func descriptors(_ table: UInt32) -> String { "fdinfo-\(table).img" }
    package static func networkDevices(_ namespace: UInt32) -> String { network("netdev", namespace) }
    package static func networkNamespace(_ namespace: UInt32) -> String { network("netns", namespace) }
    /// A part of a network namespace.
    package static func network(_ part: String, _ namespace: UInt32) -> String { "\(part)-\(namespace).img" }
    package static func pagemap(_ pid: PID) -> String { "pagemap-\(pid).img" }
    package static func sharedPagemap(_ shmid: UInt64) -> String { "pagemap-shmem-\(shmid).img" }
    package static func pages(_ id: UInt32) -> String { "pages-\(id).img" }
    /// A connection, by the inode of its socket.
    package static func tcpStream(_ inode: UInt32) -> String {
        "tcp-stream-\(String(inode, radix: 16)).img"
    }
    package static func ghost(_ number: UInt32) -> String { "ghost-file-\(String(number, radix: 16)).img" }
}
