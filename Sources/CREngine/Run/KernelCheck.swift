import CPlatform
import Glibc

/// What the engine needs of the kernel and of its own privileges, each tried out.
package struct KernelCheck: Sendable {
    /// One thing that was tried.
    package struct Result: Sendable, Equatable {
        package enum State: Sendable, Equatable {
            case present
            /// Something else does its work, slower or less exactly.
            case absent
            case missing
        }
        /// `clone3 with set_tid`
        package var feature: String
        package var state: State
        /// What is lost without it and what gives it, one line; empty where it is there.
        package var remedy: String
    }

    package private(set) var results: [Result] = []
    package var isGood: Bool { !results.contains { $0.state == .missing } }

    /// Tries everything. Starts one process, which ends with the call.
    package static func run() -> KernelCheck {
        var check = KernelCheck()
        check.ownCalls()
        check.ownFiles()
        check.tracing()
        check.privileges()
        return check
    }

    private mutating func add(
        _ feature: String, _ isThere: Bool, needed: Bool = true, _ remedy: @autoclosure () -> String
    ) {
        let state: Result.State = isThere ? .present : needed ? .missing : .absent
        results.append(Result(feature: feature, state: state, remedy: isThere ? "" : remedy()))
    }

    // MARK: Calls on ourselves

    private mutating func ownCalls() {
        let ourselves = Int(getpid())
        let pidfd = cp_syscall(CP_SYS_pidfd_open, ourselves, 0, 0, 0, 0, 0)
        let copy = cp_syscall(CP_SYS_pidfd_getfd, pidfd, pidfd, 0, 0, 0, 0)
        add(
            "pidfd_getfd", copy >= 0,
            "Linux 5.6 or newer has it; a seccomp filter of the container may forbid it")
        let same = cp_syscall(CP_SYS_kcmp, ourselves, ourselves, 0, pidfd, pidfd, 0)
        add("kcmp", same == 0, "the kernel needs CONFIG_KCMP")
        for fd in [pidfd, copy] where fd >= 0 { _ = close(Int32(fd)) }
        add(
            "clone3 with set_tid", Self.clone3TakesIDs(),
            "Linux 5.5 or newer has it; a seccomp filter of the container may forbid it")
        add(
            "prctl PR_SET_MM_MAP", Self.takesMemoryMap(), "the kernel needs CONFIG_CHECKPOINT_RESTORE")
        add("sock_diag", Self.hasSockDiag(), "the kernel needs CONFIG_UNIX_DIAG and CONFIG_INET_DIAG")
        add(
            "PAGEMAP_SCAN", Self.scansPagemap(), needed: false,
            "Linux 6.7 or newer has it; pages are found through /proc/PID/pagemap, more slowly")
    }

    /// A bad address of the id list is looked at only by a kernel that knows the list: EFAULT, not E2BIG or ENOSYS.
    private static func clone3TakesIDs() -> Bool {
        // struct clone_args up to set_tid_size, in include/uapi/linux/sched.h
        var arguments = [UInt64](repeating: 0, count: 10)
        arguments[4] = UInt64(SIGCHLD)
        arguments[8] = 1
        arguments[9] = 1
        return arguments.withUnsafeBufferPointer {
            cp_syscall(CP_SYS_clone3, Int(bitPattern: $0.baseAddress), 80, 0, 0, 0, 0) == -Int(EFAULT)
        }
    }

    private static func takesMemoryMap() -> Bool {
        let setMM = 35
        let mapSize = 15
        var size: UInt32 = 0
        let result = withUnsafeMutablePointer(to: &size) {
            cp_syscall(CP_SYS_prctl, setMM, mapSize, Int(bitPattern: $0), 0, 0, 0)
        }
        return result == 0 && size > 0
    }

    private static func hasSockDiag() -> Bool {
        let sockDiag: Int32 = 4
        let fd = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), sockDiag)
        if fd >= 0 { close(fd) }
        return fd >= 0
    }

    /// Of a kernel that does not know it the answer is ENOTTY.
    private static func scansPagemap() -> Bool {
        guard let file = try? OwnedFD.open("/proc/self/pagemap", O_RDONLY) else { return false }
        // _IOWR('f', 16, struct pm_scan_arg), in include/uapi/linux/fs.h
        let request = 0xc060_6610
        return cp_syscall(CP_SYS_ioctl, Int(file.rawValue), request, 0, 0, 0, 0) != -Int(ENOTTY)
    }

    // MARK: Files

    private mutating func ownFiles() {
        add("time namespaces", access("/proc/self/ns/time", F_OK) == 0, "the kernel needs CONFIG_TIME_NS")
        add(
            "map_files", access("/proc/self/map_files", F_OK) == 0,
            "the kernel needs CONFIG_CHECKPOINT_RESTORE")
        add(
            "posix timers", access("/proc/self/timers", F_OK) == 0,
            "the kernel needs CONFIG_POSIX_TIMERS and CONFIG_CHECKPOINT_RESTORE")
        add(
            "children", access("/proc/self/task/\(getpid())/children", F_OK) == 0,
            "the kernel needs CONFIG_PROC_CHILDREN")
    }

    // MARK: On another process

    /// Seizes a process of ours that does nothing.
    private mutating func tracing() {
        do throws(Errno) {
            let idler = try WorkerProcess(
                .init(arguments: ["crplan", "internal", "idle"]), request: [])
            defer {
                idler.signal(SIGKILL)
                _ = try? Wait.one(idler.pid.leader)
            }
            try Ptrace.seize(idler.pid.leader, options: 0)
            add("ptrace seize", true, "")
            try Ptrace.interrupt(idler.pid.leader)
            _ = try Wait.one(idler.pid.leader)
            rseq(idler.pid)
            memory(idler.pid)
        } catch {
            add("ptrace seize", false, "\(error); see kernel.yama.ptrace_scope, and run as root")
        }
    }

    private mutating func rseq(_ pid: PID) {
        do throws(Errno) {
            _ = try Ptrace.rseq(pid.leader)
            add("ptrace get rseq", true, "")
        } catch {
            add("ptrace get rseq", false, "\(error); Linux 5.13 or newer has it")
        }
    }

    private mutating func memory(_ pid: PID) {
        do throws(Errno) {
            let registers = try Ptrace.registers(pid.leader)
            _ = try RemoteMemory.bytes(pid, RemoteAddress(registers.sp), count: 8)
            add("process_vm_readv", true, "")
        } catch {
            add("process_vm_readv", false, "\(error); the kernel needs CONFIG_CROSS_MEMORY_ATTACH")
        }
    }

    // MARK: Privileges

    private mutating func privileges() {
        guard let held = try? Capabilities.ofThisProcess() else {
            add("capabilities", false, "libcap cannot read them")
            return
        }
        let wanted = Capabilities.toDump + Capabilities.toRestore.filter { !Capabilities.toDump.contains($0) }
        for name in wanted {
            add(name, held.missing(of: [name]).isEmpty, "run crplan as root, or give it the capability")
        }
        add(
            "CAP_SYS_RESOURCE", held.names.contains("CAP_SYS_RESOURCE"), needed: false,
            "trees with hard limits above those of crplan cannot be restored")
        add(
            "CAP_SYS_NICE", held.names.contains("CAP_SYS_NICE"), needed: false,
            "trees with negative nice values or real-time scheduling cannot be restored")
    }
}
