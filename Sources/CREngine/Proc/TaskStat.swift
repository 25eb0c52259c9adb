/// One line of /proc/PID/stat or /proc/PID/task/TID/stat. See proc_pid_stat(5).
package struct TaskStat: Equatable, Sendable {
    package var id: Int32 = 0
    /// At most 15 bytes; may hold blanks and parentheses.
    package var comm = ""
    /// The same byte by byte, where it is no UTF-8.
    package var commBytes: [UInt8]?
    /// R S D T t Z X I
    package var state: UInt8 = 0
    package var parent: Int32 = 0
    package var processGroup: Int32 = 0
    package var session: Int32 = 0
    /// Controlling terminal, 0 for none.
    package var terminal: UInt32 = 0
    /// Foreground process group of that terminal; -1 for none.
    package var foreground: Int32 = -1
    /// PF_* of include/linux/sched.h.
    package var flags: UInt32 = 0
    /// User and system time, in clock ticks.
    package var cpuTicks: UInt64 = 0
    /// -20...19
    package var nice: Int32 = 0
    package var threadCount: UInt32 = 0
    /// Clock ticks after boot.
    package var startTime: UInt64 = 0
    /// Resident set, in pages.
    package var residentPages: UInt64 = 0
    package var startCode: UInt64 = 0
    package var endCode: UInt64 = 0
    package var startStack: UInt64 = 0
    /// Signal for the parent at exit; -1 for a thread that is no leader.
    package var exitSignal: Int32 = 0
    package var processor: Int32 = 0
    /// 1...99 for a real-time policy, else 0.
    package var realtimePriority: UInt32 = 0
    /// SCHED_*
    package var schedulingPolicy: UInt32 = 0
    package var startData: UInt64 = 0
    package var endData: UInt64 = 0
    package var startBrk: UInt64 = 0
    package var argStart: UInt64 = 0
    package var argEnd: UInt64 = 0
    package var envStart: UInt64 = 0
    package var envEnd: UInt64 = 0
    /// Wait status of a zombie.
    package var exitCode: UInt32 = 0

    package init() {}

    /// Understands the whole file. Throws where fields are missing or are no numbers.
    package init(parsing bytes: [UInt8]) throws(ProcFormatError) {
        guard let open = bytes.firstIndex(of: UInt8(ascii: "(")),
            let close = bytes.lastIndex(of: UInt8(ascii: ")")), open < close
        else { throw ProcFormatError(file: "stat", detail: "no command name") }
        let rest = bytes[(close + 1)...].split { $0 == 0x20 || $0 == 0x0a }
        guard rest.count >= 50, let letter = rest[0].first else {
            throw ProcFormatError(file: "stat", detail: "\(rest.count + 2) fields instead of 52")
        }
        /// Fields by their number in the manual page.
        func field(_ number: Int) throws(ProcFormatError) -> Int64 {
            let raw = rest[number - 3]
            if let value = raw.signedDecimal { return value }
            if let value = raw.decimal { return Int64(bitPattern: value) }
            throw ProcFormatError(file: "stat", detail: "field \(number) is \(raw.text)")
        }
        func word(_ number: Int) throws(ProcFormatError) -> UInt64 {
            UInt64(bitPattern: try field(number))
        }
        guard let id = bytes[..<open].trimmed.decimal else {
            throw ProcFormatError(file: "stat", detail: "no task id")
        }
        self.id = Int32(truncatingIfNeeded: id)
        comm = bytes[(open + 1)..<close].text
        if comm.utf8.count != close - open - 1 || !comm.utf8.elementsEqual(bytes[(open + 1)..<close]) {
            commBytes = Array(bytes[(open + 1)..<close])
        }
        state = letter
        parent = Int32(truncatingIfNeeded: try field(4))
        processGroup = Int32(truncatingIfNeeded: try field(5))
        session = Int32(truncatingIfNeeded: try field(6))
        terminal = UInt32(truncatingIfNeeded: try field(7))
        foreground = Int32(truncatingIfNeeded: try field(8))
        flags = UInt32(truncatingIfNeeded: try field(9))
        cpuTicks = try word(14) &+ (try word(15))
        nice = Int32(truncatingIfNeeded: try field(19))
        threadCount = UInt32(truncatingIfNeeded: try field(20))
        startTime = try word(22)
        residentPages = try word(24)
        startCode = try word(26)
        endCode = try word(27)
        startStack = try word(28)
        exitSignal = Int32(truncatingIfNeeded: try field(38))
        processor = Int32(truncatingIfNeeded: try field(39))
        realtimePriority = UInt32(truncatingIfNeeded: try field(40))
        schedulingPolicy = UInt32(truncatingIfNeeded: try field(41))
        startData = try word(45)
        endData = try word(46)
        startBrk = try word(47)
        argStart = try word(48)
        argEnd = try word(49)
        envStart = try word(50)
        envEnd = try word(51)
        exitCode = UInt32(truncatingIfNeeded: try field(52))
    }
}
