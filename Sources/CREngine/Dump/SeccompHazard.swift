import CPlatform

/// Whether a thread would come to harm if its tracer died while it makes a call for us: then its filters are asked.
enum SeccompHazard {
    /// Calls of `RemoteProbe`, and the first argument where filters look at it.
    private static let calls: [(name: String, number: Int, first: UInt64)] = [
        ("mmap", CP_SYS_mmap, 0), ("munmap", CP_SYS_munmap, 0), ("rt_sigaction", CP_SYS_rt_sigaction, 1),
        ("getitimer", CP_SYS_getitimer, 0), ("brk", CP_SYS_brk, 0), ("prctl", CP_SYS_prctl, 3),
        ("sigaltstack", CP_SYS_sigaltstack, 0), ("get_robust_list", CP_SYS_get_robust_list, 0),
        ("membarrier", CP_SYS_membarrier, 1 << 9), ("modify_ldt", CP_SYS_modify_ldt, 0),
        ("arch_prctl", CP_SYS_arch_prctl, 0x1011), ("get_mempolicy", CP_SYS_get_mempolicy, 0),
        ("keyctl", CP_SYS_keyctl, 0), ("kcmp", CP_SYS_kcmp, 0),
    ]

    /// The names of the calls for which a thread is killed; `rt_sigprocmask` among them where it is not plainly allowed,
    /// because the healing stub needs it. `filters` is empty for the strict mode.
    static func fatalCalls(_ filters: [SeccompReader.Filter], isStrict: Bool) -> [String] {
        if isStrict { return ["rt_sigprocmask"] + calls.map(\.name) }
        let programs = filters.map { SeccompProgram(bytes: $0.program) }
        func answers(_ number: Int, _ arguments: [UInt64]) -> [SeccompProgram.Answer?] {
            programs.map { $0.answer(number, arguments) }
        }
        let setMask = answers(CP_SYS_rt_sigprocmask, [2, 1, 0, 8])
        let healing = setMask.allSatisfy { $0 == .allow } ? [] : ["rt_sigprocmask"]
        return healing
            + calls.filter { answers($0.number, [$0.first]).contains { $0 == nil || $0 == .kill } }.map(
                \.name)
    }
}
