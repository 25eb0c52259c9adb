import FoundationEssentials
import Glibc
package import PolicyModel

/// Why the times of a schedule cannot be told on this host: a file, the fact, and what helps.
package struct ScheduleError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String
    package init(_ subject: String, _ fact: String, remedy: String) {
        description = "\(subject): \(fact); \(remedy)"
    }
}

/// What of a host decides when a schedule runs on it.
package struct HostSchedule: Sendable {
    private let database: String
    private let localTime: String
    private let machineID: String

    /// The paths are arguments for tests.
    package init(
        database: String = "/usr/share/zoneinfo", localTime: String = "/etc/localtime",
        machineID: String = "/etc/machine-id"
    ) {
        self.database = database
        self.localTime = localTime
        self.machineID = machineID
    }

    /// Nil for a policy without `schedule.cron` and `schedule.every`.
    package func times(of policy: Policy) throws(ScheduleError) -> ScheduleTimes? {
        guard policy.schedule.cron != nil || policy.schedule.every != nil else { return nil }
        let zone = try zone(named: policy.schedule.timeZone)
        let seed = policy.schedule.jitter > .zero ? try seed(for: policy.name) : 0
        return ScheduleTimes(policy.schedule, zone: zone, seed: seed)
    }

    /// A zone of the host's database; without a name the host's own, which is UTC where /etc/localtime is missing. See
    /// localtime(5).
    package func zone(named name: String?) throws(ScheduleError) -> TimeZoneRules {
        let path = name.map { "\(database)/\($0)" } ?? localTime
        let label: String
        if let name {
            label = name
        } else {
            if access(path, F_OK) != 0, errno == ENOENT { return .utc }
            label = linkedName(path) ?? path
        }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try OwnedFD.open(path, O_RDONLY).readToEnd()
        } catch {
            throw ScheduleError(path, "cannot be read: \(error)", remedy: "install Debian's tzdata")
        }
        do throws(TimeZoneFile.Fault) {
            return try TimeZoneFile.read(bytes, name: label)
        } catch {
            throw ScheduleError(path, "\(error)", remedy: "set schedule.time-zone to another zone")
        }
    }

    /// `Europe/Berlin` for a link to it in the database.
    private func linkedName(_ path: String) -> String? {
        guard let resolved = realpath(path, nil), let root = realpath(database, nil) else { return nil }
        defer {
            free(resolved)
            free(root)
        }
        let target = String(cString: resolved)
        let prefix = String(cString: root) + "/"
        return target.hasPrefix(prefix) ? String(target.dropFirst(prefix.count)) : nil
    }

    /// The beginning of a SHA-256 of the machine and the policy: the same on each day, and evenly spread.
    ///
    /// The machine is its machine-id(5), or where that is missing its host name.
    private func seed(for policy: String) throws(ScheduleError) -> UInt64 {
        let own = (try? OwnedFD.open(machineID, O_RDONLY).readToEnd()) ?? []
        let id = own.filter { $0 > 0x20 }
        let machine = id.isEmpty ? Array(HostFacts.collect().name.utf8) : id
        do throws(StoreError) {
            let digest = try Digest.of(machine + [0] + Array(policy.utf8))
            return UInt64(digest.hexadecimal.prefix(16), radix: 16) ?? 0
        } catch {
            throw ScheduleError("schedule.jitter", "cannot be spread: \(error)", remedy: "remove it")
        }
    }
}
