/// The watchdog that systemd set for a process, from its environment; see sd_watchdog_enabled(3).
///
/// A unit with WatchdogSec= is killed when it does not report for this long. Programs report at half the interval.
package struct WatchdogRequest: Equatable, Sendable {
    package var microseconds: UInt64

    package init(microseconds: UInt64) { self.microseconds = microseconds }

    /// Nil where the environment (of /proc/PID/environ) names no interval, or names it for another process.
    package static func of(_ process: Int32, environment: [UInt8]) -> WatchdogRequest? {
        var interval: UInt64?
        for entry in environment.split(separator: 0) {
            if let text = value("WATCHDOG_USEC=", entry) {
                interval = UInt64(text)
            } else if let text = value("WATCHDOG_PID=", entry), Int32(text) != process {
                return nil
            }
        }
        guard let interval, interval > 0, interval < .max else { return nil }
        return WatchdogRequest(microseconds: interval)
    }

    private static func value(_ name: StaticString, _ entry: ArraySlice<UInt8>) -> String? {
        let prefix = name.withUTF8Buffer { Array($0) }
        guard entry.starts(with: prefix) else { return nil }
        return String(decoding: entry.dropFirst(prefix.count), as: UTF8.self)
    }
}
