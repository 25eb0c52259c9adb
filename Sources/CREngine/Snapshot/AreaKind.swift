/// What is behind an area of memory.
package enum AreaKind: Equatable, Sendable {
    case anonymous
    case heap
    case stack
    case vdso
    /// `[vvar]` and `[vvar_vclock]`, which CRIU stores as one area.
    case vvar
    case vsyscall
    /// A regular file with or without a name.
    case file
    /// MAP_SHARED|MAP_ANONYMOUS, or a shared mapping of /dev/zero: a nameless file of the kernel's tmpfs, or of its
    /// hugetlbfs.
    case sharedAnonymous
    /// A private mapping of the /dev/zero node.
    case zeroDevice
    case memfd
    /// shmat(2)
    case systemV
    case aioRing
    /// MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB
    case hugeAnonymous
    /// A mapping of a file on a mounted hugetlbfs.
    case hugeTLB
    case shadowStack
    case device
    case socket
    case uprobes
    /// Nothing that this build knows.
    case unknown

    /// Decides by the row of /proc/PID/smaps and by the type of the file, in CRIU's order.
    ///
    /// `sharedMemoryDevice` is the device of the kernel's own tmpfs.
    package init(row: AreaRow, facts: FileFacts?, sharedMemoryDevice: DeviceNumber?) {
        if row.flags?.contains(.shadowStack) == true {
            self = .shadowStack
        } else if row.name.hasPrefix("/[aio]") {
            self = .aioRing
        } else if Self.isSystemV(row, sharedMemoryDevice) {
            self = .systemV
        } else if row.inode == 0 {
            self = Self.nameless(row)
        } else if row.flags?.contains(.hugePages) == true {
            self = Self.huge(row)
        } else if let sharedMemoryDevice, row.device == sharedMemoryDevice {
            self =
                row.name.hasPrefix("/memfd:")
                ? .memfd : row.name.hasPrefix("/dev/zero") ? .sharedAnonymous : .unknown
        } else if row.name.hasPrefix("socket:") {
            self = .socket
        } else {
            self = Self.named(row, facts)
        }
    }

    /// The first segment of a namespace has inode number 0, so the name alone tells it from anonymous memory.
    private static func isSystemV(_ row: AreaRow, _ device: DeviceNumber?) -> Bool {
        row.name.hasPrefix("/SYSV")
            && (device.map { $0 == row.device } ?? true || row.flags?.contains(.hugePages) == true)
    }

    private static func huge(_ row: AreaRow) -> AreaKind {
        if row.name.hasPrefix("/memfd:") { return .memfd }
        guard row.name.hasPrefix("/anon_hugepage") else { return .hugeTLB }
        return row.isShared ? .sharedAnonymous : .hugeAnonymous
    }

    private static func nameless(_ row: AreaRow) -> AreaKind {
        switch row.name {
        case "[vdso]": .vdso
        case "[heap]": .heap
        case "[stack]": .stack
        case "[vsyscall]": .vsyscall
        case "[uprobes]": .uprobes
        case let name where name.hasPrefix("[vvar"): .vvar
        case "": .anonymous
        case let name where name.hasPrefix("[anon"): .anonymous
        case "[anon_shmem]": .sharedAnonymous
        default: .unknown
        }
    }

    private static func named(_ row: AreaRow, _ facts: FileFacts?) -> AreaKind {
        guard let facts else {
            return row.name.hasPrefix("/dev/") && row.name != "/dev/zero" && !row.name.hasPrefix("/dev/shm/")
                ? .device : row.name == "/dev/zero" ? .zeroDevice : .file
        }
        switch facts.type {
        case .regular: return .file
        case .characterDevice: return facts.represents == DeviceNumber(1, 5) ? .zeroDevice : .device
        case .blockDevice: return .device
        case .socket: return .socket
        default: return .unknown
        }
    }

    /// CRIU's status bits for it; nil where no image can hold it.
    package func status(isShared: Bool) -> AreaStatus? {
        switch self {
        case .anonymous, .stack, .hugeAnonymous: [.regular, .anonymousPrivate]
        case .heap: [.regular, .heap, .anonymousPrivate]
        case .vdso: [.regular, .vdso, .anonymousPrivate]
        case .vvar: [.regular, .vvar, .anonymousPrivate]
        case .vsyscall: [.vsyscall, .anonymousPrivate]
        case .file, .zeroDevice: [.regular, isShared ? .fileShared : .filePrivate]
        case .sharedAnonymous, .memfd: [.regular, isShared ? .fileShared : .filePrivate, .memfd]
        case .systemV: [.regular, .anonymousShared, .systemV]
        case .aioRing: [.aioRing]
        case .socket: [.regular, .socket]
        case .shadowStack: [.regular, .shadowStack, .anonymousPrivate]
        case .hugeTLB, .device, .uprobes, .unknown: nil
        }
    }
}
