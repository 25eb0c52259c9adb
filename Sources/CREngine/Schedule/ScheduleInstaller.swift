import CPlatform
import Glibc

/// Puts schedules into the directories of cron and systemd, and takes them out again. What is not ours stays as it is.
package struct ScheduleInstaller: Sendable {
    package enum Change: String, Sendable {
        case created
        case updated
        case unchanged
        case removed
        case absent
    }

    package let keeper: ScheduleKeeper
    package let directory: String

    package init(_ keeper: ScheduleKeeper, directory: String? = nil) {
        self.keeper = keeper
        self.directory = directory ?? keeper.defaultDirectory
    }

    /// Writes the files that are not there yet or say something else; none where one of them is not ours.
    package func install(_ handover: ScheduleHandover) throws(ScheduleError) -> [(file: String, Change)] {
        let files = try handover.files(for: keeper)
        var states: [ManagedFile.State] = []
        for file in files {
            let state = try file.state(in: directory)
            try refuse(state, file.name, to: "overwritten")
            states.append(state)
        }
        var changes: [(file: String, Change)] = []
        for (file, state) in zip(files, states) {
            if state != .current { try file.write(in: directory) }
            let change: Change =
                switch state {
                case .absent: .created
                case .current: .unchanged
                case .outdated, .edited, .foreign: .updated
                }
            changes.append(("\(directory)/\(file.name)", change))
        }
        return changes
    }

    /// Removes a policy's files; none where one of them is not ours.
    package func remove(policy: String) throws(ScheduleError) -> [(file: String, Change)] {
        let names = keeper.fileNames(for: policy)
        var present: [String] = []
        for name in names {
            let state = try ManagedFile.state(of: name, in: directory)
            try refuse(state, name, to: "removed")
            if state != .absent { present.append(name) }
        }
        for name in present { try ManagedFile.remove(name, in: directory) }
        return names.map { ("\(directory)/\($0)", present.contains($0) ? .removed : .absent) }
    }

    /// The policies that have files here, in order, ours or not by the worst of them.
    package func installed() throws(ScheduleError) -> [(policy: String, ManagedFile.State)] {
        guard let stream = opendir(directory) else {
            if errno == ENOENT { return [] }
            let fact = "cannot be listed: \(Errno(rawValue: errno))"
            throw ScheduleError(directory, fact, remedy: "name another --directory")
        }
        defer { closedir(stream) }
        var policies: Set<String> = []
        while let row = readdir(stream) {
            let name = withUnsafeBytes(of: &row.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let policy = keeper.policy(ofFile: name) { policies.insert(policy) }
        }
        var found: [(policy: String, ManagedFile.State)] = []
        for policy in policies.sorted() {
            var states: [ManagedFile.State] = []
            for name in keeper.fileNames(for: policy) {
                states.append(try ManagedFile.state(of: name, in: directory))
            }
            found.append((policy, ScheduleInstaller.worst(states)))
        }
        return found
    }

    /// How a policy's files are beside what they should be.
    package func state(of handover: ScheduleHandover) throws(ScheduleError) -> ManagedFile.State {
        var states: [ManagedFile.State] = []
        for file in try handover.files(for: keeper) { states.append(try file.state(in: directory)) }
        if states.allSatisfy({ $0 == .absent }) { return .absent }
        return ScheduleInstaller.worst(states)
    }

    private static func worst(_ states: [ManagedFile.State]) -> ManagedFile.State {
        // A half of a pair that is missing makes the other half out of date.
        let states = states.map { $0 == .absent ? .outdated : $0 }
        return [.foreign, .edited, .outdated].first { states.contains($0) } ?? .current
    }

    private func refuse(_ state: ManagedFile.State, _ name: String, to verb: String) throws(ScheduleError) {
        let path = "\(directory)/\(name)"
        switch state {
        case .absent, .current, .outdated: return
        case .edited:
            throw ScheduleError(
                path, "was changed by hand since crplan wrote it and is not \(verb)",
                remedy: "move it away, then try again")
        case .foreign:
            throw ScheduleError(
                path, "was not written by crplan and is not \(verb)",
                remedy: "move it away, or rename the policy")
        }
    }
}
