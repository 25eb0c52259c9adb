import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// The coming run times.
struct ScheduleNextCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "next", abstract: "Tells when policies run next on this host. Changes nothing.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @OptionGroup var policies: PolicyArguments
    @Option(name: .customShort("n"), help: ArgumentHelp("How many times each.", valueName: "count"))
    var count = 5
    @Option(help: "After this moment, as 2026-11-23T07:17:00Z or with +01:00; now without.") var from: String?
    @Option(help: "text or json.") var format = Format.text

    /// The times of one policy.
    struct Row: Codable {
        struct Time: Codable {
            /// ISO 8601 in UTC.
            var utc: String
            /// ISO 8601 in the schedule's zone.
            var local: String
        }
        var policy: String
        var timeZone: String
        /// Seconds that jitter puts every time off.
        var delay: Int64
        var times: [Time]
    }

    func validate() throws {
        guard (1...100_000).contains(count) else { throw ValidationError("-n is from 1 to 100000") }
        if let from, moment(from) == nil {
            throw ValidationError("--from is a moment like 2026-11-23T07:17:00Z, not \(from)")
        }
    }

    func run() throws {
        let start = from.flatMap(moment) ?? .now
        let rows = try policies.load().map { policy -> Row in
            let times = try scheduleTimes(of: policy)
            return Row(
                policy: policy.name, timeZone: times.zone.name, delay: times.delay,
                times: times.next(count, after: start).map {
                    Row.Time(utc: TimeZoneRules.utc.text(of: $0), local: times.zone.text(of: $0))
                })
        }
        switch format {
        case .json: print(try reportJSON(rows))
        case .text: for row in rows { printText(row) }
        }
    }

    private func printText(_ row: Row) {
        let terminal = Terminal.output
        let late = row.delay > 0 ? ", \(row.delay) s late by jitter" : ""
        print("\(terminal.paint(row.policy, .bold))  \(row.timeZone)\(late)")
        if row.times.isEmpty { print("  never") }
        for time in row.times { print("  \(time.local)   \(time.utc)") }
    }

    private func moment(_ text: String) -> UnixTime? {
        (try? Date(text, strategy: .iso8601)).map(UnixTime.init)
    }
}

/// The times of a policy on this host, or one line on standard error and exit 1; without a schedule, exit 78.
func scheduleTimes(of policy: Policy) throws -> ScheduleTimes {
    do throws(ScheduleError) {
        if let times = try HostSchedule().times(of: policy) { return times }
    } catch {
        printError("crplan: policy \(policy.name): \(error)")
        throw ExitStatus.failed.exit
    }
    let place = policy.source.file
    printError(
        "crplan: \(place): policy \(policy.name) has no schedule; give it schedule.cron or schedule.every")
    throw ExitStatus.invalidPolicy.exit
}

/// A value as JSON for other programs, the keys in order.
func reportJSON(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
