/// What /proc/PID/status or /proc/PID/task/TID/status says. See proc_pid_status(5).
///
/// Lines that a kernel does not have leave their defaults.
package struct TaskStatus: Equatable, Sendable {
    /// Real, effective, saved, file system.
    package struct IDs: Equatable, Sendable {
        package var real: UInt32 = 0
        package var effective: UInt32 = 0
        package var saved: UInt32 = 0
        package var fileSystem: UInt32 = 0
        package init() {}
    }
    /// Nil for a zombie, which has no fs_struct.
    package var umask: UInt32?
    package var threadGroup: Int32 = 0
    package var tracer: Int32 = 0
    package var users = IDs()
    package var groups = IDs()
    package var supplementaryGroups: [UInt32] = []
    /// The id in each nested pid namespace, ours first.
    package var namespaceIDs: [Int32] = []
    /// Its process group in each of those.
    package var namespaceGroups: [Int32] = []
    /// Its session in each of those.
    package var namespaceSessions: [Int32] = []
    package var isKernelThread = false
    /// Bytes; nil for a task without an address space.
    package var residentBytes: UInt64?
    /// Bytes.
    package var sharedResidentBytes: UInt64 = 0
    /// Bytes.
    package var anonymousResidentBytes: UInt64 = 0
    /// Bytes.
    package var swappedBytes: UInt64 = 0
    package var isDumpingCore = false
    package var hasTransparentHugePages = true
    /// Bit n-1 is signal n, in these five: pending for the thread, for the process, blocked, ignored, caught.
    package var pending: UInt64 = 0
    package var sharedPending: UInt64 = 0
    package var blocked: UInt64 = 0
    package var ignored: UInt64 = 0
    package var caught: UInt64 = 0
    /// Bit n is capability n, in these five.
    package var inheritable: UInt64 = 0
    package var permitted: UInt64 = 0
    package var effective: UInt64 = 0
    package var bounding: UInt64 = 0
    package var ambient: UInt64 = 0
    package var hasNoNewPrivileges = false
    /// 0 none, 1 strict, 2 filter.
    package var seccompMode: UInt32 = 0
    package var seccompFilters: UInt32 = 0
    /// `wrss shstk` and the like; empty without shadow stack.
    package var shadowStack = ""
    /// Whether the thread asked to be protected from speculation (PR_SET_SPECULATION_CTRL of prctl(2)).
    package var limitsSpeculation = false
    /// As the kernel writes it: `0-3,8`.
    package var allowedMemoryNodes = ""

    package init() {}

    /// Understands the whole file. Throws where a line that it knows is malformed.
    package init(parsing bytes: [UInt8]) throws(ProcFormatError) {
        for line in bytes.lines {
            guard let (key, rest) = line.cut(at: UInt8(ascii: ":")) else { continue }
            let value = rest.trimmed
            func bad() -> ProcFormatError {
                ProcFormatError(file: "status", detail: "\(key.text) is \(value.text)")
            }
            func number() throws(ProcFormatError) -> UInt64 {
                guard let number = value.decimal else { throw bad() }
                return number
            }
            func mask() throws(ProcFormatError) -> UInt64 {
                guard let number = value.hexadecimal else { throw bad() }
                return number
            }
            func numbers() throws(ProcFormatError) -> [UInt32] {
                var found: [UInt32] = []
                for word in value.words {
                    guard let number = word.decimal else { throw bad() }
                    found.append(UInt32(truncatingIfNeeded: number))
                }
                return found
            }
            func ids() throws(ProcFormatError) -> IDs {
                let four = try numbers()
                guard four.count == 4 else { throw bad() }
                var ids = IDs()
                (ids.real, ids.effective, ids.saved, ids.fileSystem) = (four[0], four[1], four[2], four[3])
                return ids
            }
            func kilobytes() throws(ProcFormatError) -> UInt64 {
                guard let amount = value.words.first?.decimal else { throw bad() }
                return amount << 10
            }
            switch key.text {
            case "Umask":
                guard let octal = value.octal else { throw bad() }
                umask = UInt32(truncatingIfNeeded: octal)
            case "Tgid": threadGroup = Int32(truncatingIfNeeded: try number())
            case "TracerPid": tracer = Int32(truncatingIfNeeded: try number())
            case "Uid": users = try ids()
            case "Gid": groups = try ids()
            case "Groups": supplementaryGroups = try numbers()
            case "NSpid": namespaceIDs = try numbers().map { Int32(truncatingIfNeeded: $0) }
            case "NSpgid": namespaceGroups = try numbers().map { Int32(truncatingIfNeeded: $0) }
            case "NSsid": namespaceSessions = try numbers().map { Int32(truncatingIfNeeded: $0) }
            case "Kthread": isKernelThread = try number() != 0
            case "VmRSS": residentBytes = try kilobytes()
            case "RssShmem": sharedResidentBytes = try kilobytes()
            case "RssAnon": anonymousResidentBytes = try kilobytes()
            case "VmSwap": swappedBytes = try kilobytes()
            case "CoreDumping": isDumpingCore = try number() != 0
            case "THP_enabled": hasTransparentHugePages = try number() != 0
            case "SigPnd": pending = try mask()
            case "ShdPnd": sharedPending = try mask()
            case "SigBlk": blocked = try mask()
            case "SigIgn": ignored = try mask()
            case "SigCgt": caught = try mask()
            case "CapInh": inheritable = try mask()
            case "CapPrm": permitted = try mask()
            case "CapEff": effective = try mask()
            case "CapBnd": bounding = try mask()
            case "CapAmb": ambient = try mask()
            case "NoNewPrivs": hasNoNewPrivileges = try number() != 0
            case "Seccomp": seccompMode = UInt32(truncatingIfNeeded: try number())
            case "Seccomp_filters": seccompFilters = UInt32(truncatingIfNeeded: try number())
            case "x86_Thread_features": shadowStack = value.text
            case "Speculation_Store_Bypass":
                if ["thread mitigated", "thread force mitigated"].contains(value.text) {
                    limitsSpeculation = true
                }
            case "SpeculationIndirectBranch":
                if ["conditional disabled", "conditional force disabled"].contains(value.text) {
                    limitsSpeculation = true
                }
            case "Mems_allowed_list": allowedMemoryNodes = value.text
            default: break
            }
        }
    }
}
