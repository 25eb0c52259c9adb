/// A timer read as a file. See timerfd_create(2).
package enum TimerFD: FileKind {
    package struct State: Equatable, Sendable {
        /// A CLOCK_* number.
        package var clock: UInt32 = 0
        /// Expirations that nobody has read; of a timer that nobody asks, one at most.
        package var ticks: UInt64 = 0
        /// TFD_TIMER_ABSTIME 1, TFD_TIMER_CANCEL_ON_SET 2.
        package var setFlags: UInt32 = 0
        /// Time left and period; zero is disarmed.
        package var value: (seconds: UInt64, nanoseconds: UInt64) = (0, 0)
        package var interval: (seconds: UInt64, nanoseconds: UInt64) = (0, 0)

        package var isDue: Bool { value == (0, 0) && interval != (0, 0) }

        package static func == (a: State, b: State) -> Bool {
            a.clock == b.clock && a.ticks == b.ticks && a.setFlags == b.setFlags && a.value == b.value
                && a.interval == b.interval
        }

        /// Nil where a line is missing or not as fs/timerfd.c, timerfd_show, writes it.
        package init?(_ info: DescriptorInfo) {
            func pair(_ key: String) -> (UInt64, UInt64)? {
                let words = info.detail(key)?.dropFirst().dropLast().split(separator: ",")
                guard let words, words.count == 2, let seconds = UInt64(words[0]),
                    let rest = UInt64(words[1].drop { $0 == " " })
                else { return nil }
                return (seconds, rest)
            }
            guard let clock = info.detail("clockid").flatMap({ UInt32($0) }),
                let ticks = info.detail("ticks").flatMap({ UInt64($0) }),
                let flags = info.detail("settime flags").flatMap({ UInt32($0, radix: 8) }),
                let value = pair("it_value"), let interval = pair("it_interval")
            else { return nil }
            (self.clock, self.ticks, setFlags) = (clock, ticks, flags)
            (self.value, self.interval) = (value, interval)
        }
    }
    package static let tag = FileTag.timerFD

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("anon_inode:[timerfd]") else { return nil }
        return State(file.info)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        []
    }
}
