/// Timers of timer_create(2) that go off again and again, and whose signal waits to be taken: until then the kernel only
/// counts. See timer_getoverrun(2).
struct WaitingTimers {
    private let ids: Set<UInt32>

    init(_ timers: [PosixTimerImage], _ process: FrozenProcess) {
        let again = Set(
            timers.filter { $0.intervalSeconds != 0 || $0.intervalNanoseconds != 0 }.map(\.id))
        let queues = [process.pendingSignals] + process.threads.map(\.pendingSignals)
        ids = again.intersection(queues.joined().compactMap(TimerSignal.id))
    }

    var isEmpty: Bool { ids.isEmpty }
    var list: String { ids.sorted().map { "\($0)" }.joined(separator: ", ") }

    /// The counts as they would be told at this moment, by timer. timer_gettime(2) has brought them up to date.
    func counts(_ notes: [TimerNote]) -> [UInt32: UInt32] {
        var counts: [UInt32: UInt32] = [:]
        for note in notes where ids.contains(note.id) && note.overrun > 0 {
            // DELAYTIMER_MAX of limits.h
            counts[note.id] = UInt32(min(note.overrun, Int64(Int32.max)))
        }
        return counts
    }

    /// The signals with those counts in them.
    static func told(_ counts: [UInt32: UInt32], in signals: [[UInt8]]) -> [[UInt8]] {
        if counts.isEmpty { return signals }
        return signals.map { info in
            guard let count = TimerSignal.id(info).flatMap({ counts[$0] }) else { return info }
            return TimerSignal.with(overrun: count, info)
        }
    }
}

/// A siginfo_t of 128 bytes whose si_code is SI_TIMER; see include/uapi/asm-generic/siginfo.h.
enum TimerSignal {
    private static let (codePlace, idPlace, overrunPlace) = (8, 16, 20)

    /// The timer that it is of; nil for other signals.
    static func id(_ info: [UInt8]) -> UInt32? {
        let siTimer = Int32(-2)
        guard info.count >= 24, Int32(bitPattern: word(info, codePlace)) == siTimer else { return nil }
        return word(info, idPlace)
    }

    static func with(overrun: UInt32, _ info: [UInt8]) -> [UInt8] {
        var info = info
        withUnsafeBytes(of: overrun) { info.replaceSubrange(overrunPlace..<overrunPlace + 4, with: $0) }
        return info
    }

    private static func word(_ info: [UInt8], _ place: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(info[place + $1]) << (8 * $1) }
    }
}
