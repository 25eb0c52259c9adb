import CPlatform
import Glibc

/// The log of one dump or restore, in the form of CRIU's logs: seconds since the start, then the text.
///
/// While a tree is frozen nothing may wait for it, and it may be the reader of our log: so lines stay in memory until
/// `flush`, which is called before the freeze and after the thaw. One thread uses it.
package final class EngineLog {
    /// How much is written; CRIU's -v numbers.
    package enum Level: Int, Comparable, Sendable {
        case error = 1
        case warning = 2
        case info = 3
        case debug = 4
        package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    private let level: Level
    private let start: UInt64
    private let descriptor: Int32
    private let owned: Bool
    private var lines: [UInt8] = []
    /// Where the logs of single tasks go: this path, a dot and the pid. Nil: their lines are in this log.
    package var taskPath: String?
    private var taskLogs: [PID: EngineLog] = [:]

    /// Writes to a file that is created or emptied.
    package init(path: String, level: Level, start: UInt64 = MonotonicClock.now()) throws(Errno) {
        self.start = start
        descriptor = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600).release()
        owned = true
        self.level = level
    }

    /// Writes to a descriptor of somebody else, standard error say.
    package init(descriptor: Int32, level: Level) {
        start = MonotonicClock.now()
        self.descriptor = descriptor
        owned = false
        self.level = level
    }

    deinit {
        flush()
        if owned { close(descriptor) }
    }

    package func error(_ text: @autoclosure () -> String) { add(.error, text) }
    package func warning(_ text: @autoclosure () -> String) { add(.warning, text) }
    package func info(_ text: @autoclosure () -> String) { add(.info, text) }
    package func debug(_ text: @autoclosure () -> String) { add(.debug, text) }

    /// A line about one task of a restore, in its own log where there are such.
    package func task(_ pid: PID, _ level: Level, _ text: @autoclosure () -> String) {
        guard let taskPath else { return add(level) { "task \(pid): \(text())" } }
        if let log = taskLogs[pid] { return log.add(level, text) }
        do throws(Errno) {
            let log = try EngineLog(path: "\(taskPath).\(pid)", level: self.level, start: start)
            taskLogs[pid] = log
            log.add(level, text)
        } catch {
            // As for every log: what it tells of must not fail with it.
            warning("\(taskPath).\(pid): \(error)")
            add(level) { "task \(pid): \(text())" }
        }
    }

    /// Writes what is in memory. A log that cannot be written must not fail what it tells of: the rest is dropped.
    package func flush() {
        var rest = lines[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                cp_syscall(CP_SYS_write, Int(descriptor), Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0)
            }
            if count <= 0 { break }
            rest = rest.dropFirst(count)
        }
        lines.removeAll(keepingCapacity: true)
        for log in taskLogs.values { log.flush() }
    }

    private func add(_ lineLevel: Level, _ text: () -> String) {
        guard lineLevel <= level else { return }
        let elapsed = (MonotonicClock.now() - start) / 1000
        let seconds = padded(elapsed / 1_000_000, 2)
        let micros = padded(elapsed % 1_000_000, 6)
        let mark =
            switch lineLevel {
            case .error: "Error: "
            case .warning: "Warn:  "
            case .info, .debug: ""
            }
        lines.append(contentsOf: "(\(seconds).\(micros)) \(mark)\(text())\n".utf8)
    }

    private func padded(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
