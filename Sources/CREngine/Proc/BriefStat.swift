/// The few fields of /proc/PID/stat that a selection needs, taken without copies. See proc_pid_stat(5).
struct BriefStat {
    /// PF_KTHREAD of include/linux/sched.h.
    static let kernelThread: UInt64 = 0x0020_0000

    let comm: String
    let state: UInt8
    let parent: Int32
    let session: Int32
    /// Device number of the controlling terminal, 0 for none.
    let terminal: UInt32
    let flags: UInt64
    /// User and system time, in clock ticks.
    let cpuTicks: UInt64
    /// Clock ticks after boot.
    let startTime: UInt64
    let residentPages: UInt64

    /// Nil where the file is not as the kernel writes it.
    init?(_ bytes: Field) {
        guard let open = bytes.firstIndex(of: UInt8(ascii: "(")),
            let close = bytes.lastIndex(of: UInt8(ascii: ")")), open < close, close + 2 < bytes.endIndex
        else { return nil }
        comm = bytes[(open + 1)..<close].text
        state = bytes[close + 2]
        // Field 4, the parent, is the first after the state.
        var place = close + 4
        func next() -> UInt64 {
            var value: UInt64 = 0
            while place < bytes.endIndex, bytes[place] != 0x20, bytes[place] != 0x0a {
                value = value &* 10 &+ UInt64(bytes[place] &- 0x30)
                place += 1
            }
            place += 1
            return value
        }
        func skip(_ count: Int) { for _ in 0..<count { _ = next() } }
        parent = Int32(truncatingIfNeeded: next())
        skip(1)
        session = Int32(truncatingIfNeeded: next())
        terminal = UInt32(truncatingIfNeeded: next())
        skip(1)
        flags = next()
        skip(4)
        cpuTicks = next() &+ next()
        skip(6)
        startTime = next()
        skip(1)
        guard place < bytes.endIndex else { return nil }
        residentPages = next()
    }
}
