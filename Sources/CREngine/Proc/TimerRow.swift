/// A timer of timer_create(2) as /proc/PID/timers has it.
package struct TimerRow: Equatable, Sendable {
    package var id: UInt32
    package var signal: UInt32
    package var sigval: UInt64
    /// SIGEV_*: signal 0, none 1, thread id added 4.
    package var notify: UInt32
    /// Thread or process id that is told.
    package var target: Int32
    package var clock: Int32
    /// Thread whose CPU time it counts, by its number in its own pid namespace, where only the kernel's own notes tell.
    package var clockOwner: Int32? = nil

    /// CPU clocks are negative: the complement of an id above three bits, of which 4 says that it is a thread's. Without
    /// an id it is that of whoever made the timer. See include/linux/posix-timers_types.h.
    package var isOfUnknownThread: Bool { clock < 0 && clock & 4 != 0 && clock >> 3 == -1 }

    /// The clock by its thread, whoever makes a timer of it; `leader` is the number of who makes it without.
    package func clock(leader: Int32?) -> Int32 {
        guard isOfUnknownThread, let clockOwner, clockOwner != leader else { return clock }
        return ~clockOwner << 3 | clock & 7
    }

    /// All timers of the file. Throws where a record is incomplete.
    package static func parse(_ bytes: [UInt8]) throws(ProcFormatError) -> [TimerRow] {
        var rows: [TimerRow] = []
        for line in bytes.lines {
            guard let (key, rest) = line.cut(at: UInt8(ascii: ":")) else { continue }
            let value = rest.trimmed
            func bad() -> ProcFormatError { ProcFormatError(file: "timers", detail: line.text) }
            if key.text == "ID" {
                guard let id = value.decimal else { throw bad() }
                rows.append(
                    TimerRow(
                        id: UInt32(truncatingIfNeeded: id), signal: 0, sigval: 0, notify: 0, target: 0,
                        clock: 0))
                continue
            }
            guard !rows.isEmpty else { throw bad() }
            let last = rows.count - 1
            switch key.text {
            case "signal":
                guard let (signal, pointer) = value.cut(at: UInt8(ascii: "/")),
                    let number = signal.decimal, let sigval = Self.pointer(pointer)
                else { throw bad() }
                rows[last].signal = UInt32(truncatingIfNeeded: number)
                rows[last].sigval = sigval
            case "notify":
                guard let (way, target) = value.cut(at: UInt8(ascii: "/")),
                    let number = target.split(separator: UInt8(ascii: ".")).last?.signedDecimal
                else { throw bad() }
                rows[last].notify = try Self.notify(way.text, target.starts(with: "tid"))
                rows[last].target = Int32(truncatingIfNeeded: number)
            case "ClockID":
                guard let clock = value.signedDecimal else { throw bad() }
                rows[last].clock = Int32(truncatingIfNeeded: clock)
            default: break
            }
        }
        return rows
    }

    private static func notify(_ way: String, _ isThread: Bool) throws(ProcFormatError) -> UInt32 {
        let thread: UInt32 = isThread ? 4 : 0
        switch way {
        case "signal": return thread
        case "none": return 1 | thread
        case "thread": return 2 | thread
        default: throw ProcFormatError(file: "timers", detail: "notify: \(way)")
        }
    }

    /// Zero padded, with 0x on some kernels, and "(null)" for none: lib/vsprintf.c, pointer_string.
    private static func pointer(_ field: Field) -> UInt64? {
        if field.starts(with: "(") || field.trimmed.starts(with: "(") { return 0 }
        return field.starts(with: "0x") ? field.dropFirst(2).hexadecimal : field.trimmed.hexadecimal
    }
}
