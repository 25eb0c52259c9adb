import CPlatform
import Glibc

/// Installs seccomp(2) modes and filters while they are suspended, so that they bite first when the task is let go.
struct SeccompBuilder {
    let filters: [SeccompFilterImage]

    private static let strict: UInt32 = 1
    /// SECCOMP_FILTER_FLAG_TSYNC, _LOG and _SPEC_ALLOW; no other can be asked for by an image.
    private static let knownFlags: UInt32 = 1 | 2 | 4
    /// BPF_MAXINSNS
    private static let mostInstructions = 4096

    /// What forbids it. Changes nothing.
    func problems(_ tree: TreeImage) -> [RestoreError] {
        guard tree.tasks.contains(where: { $0.threads.contains { $0.seccompMode ?? 0 != 0 } }) else {
            return []
        }
        var found: [RestoreError] = []
        for (number, filter) in filters.enumerated() {
            if let flags = filter.flags, flags & ~Self.knownFlags != 0 {
                found.append(
                    RestoreError("seccomp filter \(number)", "has flags 0x\(String(flags, radix: 16))"))
            }
            if filter.program.isEmpty || filter.program.count % 8 != 0
                || filter.program.count > Self.mostInstructions * 8
            {
                found.append(RestoreError("seccomp filter \(number)", "is no program"))
            }
            if SeccompProgram(bytes: filter.program).asksListener {
                found.append(
                    RestoreError("seccomp filter \(number)", "asks a listener, which cannot be restored"))
            }
        }
        let status = (try? ProcText.read("/proc/thread-self/status")) ?? ""
        if ProcText.statusValue(status, "Seccomp") ?? "0" != "0" {
            found.append(
                RestoreError(
                    "this process", "runs under seccomp, and cannot install the tree's filters",
                    remedy: "restore outside of the container or unit that filters system calls"))
        }
        return found
    }

    /// Installs what the threads of a process have. From here on seccomp of all its threads is suspended by us.
    func install(_ process: StubProcess) throws(RestoreError) {
        let pairs = Array(zip(process.threads, process.image.threads))
        if pairs.allSatisfy({ $0.1.seccompMode ?? 0 == 0 }) { return }
        for (thread, _) in pairs {
            try RestoreError.about("task \(thread.tid)", "its seccomp cannot be suspended") {
                () throws(Errno) in
                try Ptrace.setOptions(
                    thread.tid, RootStub.options | CP_PTRACE_O_EXITKILL | CP_PTRACE_O_SUSPEND_SECCOMP)
            }
        }
        for (thread, image) in pairs {
            if image.seccompMode == Self.strict {
                let setSeccomp = 22
                try thread.call("prctl", CP_SYS_prctl, setSeccomp, Int(Self.strict), 0, 0, 0)
            } else if image.seccompMode ?? 0 != 0 {
                try install(chain(image), in: thread)
            }
        }
    }

    /// The filters of a thread, the oldest first.
    private func chain(_ image: ThreadImage) throws(RestoreError) -> [SeccompFilterImage] {
        var found: [SeccompFilterImage] = []
        var next = image.seccompFilter
        while let place = next {
            guard Int(place) < filters.count, found.count < filters.count else {
                throw RestoreError("task \(image.tid)", "names seccomp filter \(place), which is not there")
            }
            found.append(filters[Int(place)])
            next = filters[Int(place)].next
        }
        return found
    }

    private func install(
        _ chain: [SeccompFilterImage], in thread: StubThread
    ) throws(RestoreError) {
        for filter in chain {
            let program = try thread.put(filter.program, at: 16)
            let head = try thread.put((UInt64(filter.program.count / 8), UInt64(program)))
            let setModeFilter = 1
            let refused = try thread.call(
                "seccomp", CP_SYS_seccomp, setModeFilter, Int(filter.flags ?? 0), head)
            if refused != 0 {
                throw RestoreError("task \(thread.tid)", "its filters cannot be those of thread \(refused)")
            }
        }
    }
}
