import CPlatform

/// Asks a process for state that hardly any has and that no image can hold, so that it is refused and not lost.
enum RemoteOddities {
    private static let getKeyring = 0
    private static let readKeyring = 11

    /// Ends of sentences that begin with the process. `scratch` is a mapped page; `isStrict` is the thread's seccomp.
    static func ask(
        _ session: inout RemoteSession, pid: PID, scratch: RemoteAddress, scratchSize: UInt64, isStrict: Bool
    ) throws(TraceError) -> [String] {
        var found: [String] = []
        if case .success(let size) = try session.call(
            CP_SYS_modify_ldt, 0, scratch.rawValue, scratchSize), size != 0
        {
            found.append("its segments of modify_ldt(2) are not carried")
        }
        let getTimestampMode: UInt64 = 25
        let isFaulting: UInt32 = 2
        // The strict mode of seccomp brings it along.
        if !isStrict, case .success = try session.call(CP_SYS_prctl, getTimestampMode, scratch.rawValue),
            try words(pid, scratch, 1) == [isFaulting]
        {
            found.append("PR_TSC_SIGSEGV, which forbids rdtsc, is not carried")
        }
        let getCPUID: UInt64 = 0x1011
        if case .success(0) = try session.call(CP_SYS_arch_prctl, getCPUID) {
            found.append("ARCH_SET_CPUID, which forbids cpuid, is not carried")
        }
        found += try keyrings(&session, pid, scratch, scratchSize)
        return found
    }

    /// A keyring of the thread or the process, and keys in a session keyring that is not ours.
    private static func keyrings(
        _ session: inout RemoteSession, _ pid: PID, _ scratch: RemoteAddress, _ scratchSize: UInt64
    ) throws(TraceError) -> [String] {
        func special(_ number: Int64) -> UInt64 { UInt64(bitPattern: number) }
        func id(_ number: Int64, _ session: inout RemoteSession) throws(TraceError) -> UInt64? {
            try? session.call(CP_SYS_keyctl, UInt64(getKeyring), special(number), 0).get()
        }
        if try id(-1, &session) != nil { return ["its thread keyring is not carried"] }
        if try id(-2, &session) != nil { return ["its process keyring is not carried"] }
        let ours = try? systemCall(CP_SYS_keyctl, getKeyring, -3, 0)
        guard let theirs = try id(-3, &session), theirs != ours.map({ UInt64(bitPattern: Int64($0)) })
        else { return [] }
        // What leads on to the keyrings of the user is there for every session of that user.
        let ofUser = [try id(-4, &session), try id(-5, &session)].compactMap { $0 }
        guard
            case .success(let size) = try session.call(
                CP_SYS_keyctl, UInt64(readKeyring), theirs, scratch.rawValue, scratchSize)
        else { return [] }
        let keys = try words(pid, scratch, min(size, scratchSize) / 4).filter { !ofUser.contains(UInt64($0)) }
        return keys.isEmpty && size <= scratchSize ? [] : ["the keys of its session keyring are not carried"]
    }

    private static func words(_ pid: PID, _ scratch: RemoteAddress, _ count: UInt64) throws(TraceError)
        -> [UInt32]
    {
        var found: [UInt32] = []
        do throws(Errno) {
            for place in 0..<Int(count) {
                found.append(try RemoteMemory.value(pid, scratch + place * 4, as: UInt32.self))
            }
        } catch {
            throw .failed(operation: "reading a result", tid: pid.leader, errno: error)
        }
        return found
    }
}
