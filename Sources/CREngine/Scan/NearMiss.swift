package import PolicyModel

/// A process that meets a part of an entry of `select`, and what keeps it out.
package struct NearMiss: Equatable, Sendable {
    /// A key that the process does not meet.
    package struct Refusal: Equatable, Sendable {
        package var criterion: Criterion
        /// What the process has; nil where the kernel does not show it.
        package var value: String?
    }
    package var process: ProcessFacts
    /// Place in `select`.
    package var entry: Int
    /// Keys that it meets, in the order in which they are tried.
    package var met: [String]
    package var refusals: [Refusal]

    /// The nearest `limit` ones, most keys met first, and how many there are. Pure.
    ///
    /// `besides` are left out: those that are targets for another reason.
    /// A process that comes near to several entries is told of the one of which it meets the most keys.
    package static func find(
        _ policy: Policy, from list: ProcessList, names: Selection.Names, besides: Set<PID> = [],
        limit: Int
    ) -> (nearest: [NearMiss], count: Int) {
        let processes = list.processes.filter {
            !$0.isKernelThread && !$0.isZombie && !list.protected.contains($0.pid)
                && !besides.contains($0.pid)
        }
        var best: [Score?] = processes.map { _ in nil }
        var matched: Set<Int> = []
        var entries: [Judge] = []
        for (entry, matcher) in policy.select.enumerated() {
            let judge = Judge(matcher, processes, names, list.moment, "select[\(entry)]")
            entries.append(judge)
            for place in processes.indices {
                let met = judge.countMet(place)
                if met == judge.criteria.count { matched.insert(place) }
                if met > 0, met > best[place]?.met ?? 0 { best[place] = Score(entry: entry, met: met) }
            }
        }
        let scores = best.enumerated().compactMap { place, score in
            score.flatMap { matched.contains(place) ? nil : (place: place, score: $0) }
        }
        let nearest = scores.sorted {
            ($1.score.met, processes[$0.place].pid) < ($0.score.met, processes[$1.place].pid)
        }
        let told = nearest.prefix(limit).map { place, score in
            entries[score.entry].nearMiss(place, processes[place], entry: score.entry)
        }
        return (told, scores.count)
    }

    private struct Score {
        var entry: Int
        var met: Int
    }

    /// The verdicts of one entry on all processes.
    private struct Judge {
        let criteria: [Criterion]
        private let processes: [ProcessFacts]
        private let moment: UInt64
        /// Of `cmdline`, by place; empty without one.
        private var commandLines: [RegexPattern.Outcome] = []

        init(
            _ matcher: Matcher, _ processes: [ProcessFacts], _ names: Selection.Names, _ moment: UInt64,
            _ keyPath: String
        ) {
            // What the host does not know of is told by the selection.
            var ignored: [Finding] = []
            criteria = matcher.criteria(names, keyPath, &ignored)
            self.processes = processes
            self.moment = moment
            if let pattern = matcher.cmdline {
                commandLines = pattern.search(processes.map { $0.commandLine ?? "" })
            }
        }

        private func isMet(_ criterion: Criterion, _ place: Int) -> Bool {
            if case .cmdline = criterion { return commandLines[place] == .matched }
            return criterion.verdict(on: processes[place], at: moment) == .met
        }

        func countMet(_ place: Int) -> Int { criteria.count { isMet($0, place) } }

        func nearMiss(_ place: Int, _ process: ProcessFacts, entry: Int) -> NearMiss {
            let refused = criteria.filter { !isMet($0, place) }
            return NearMiss(
                process: process, entry: entry, met: criteria.filter { isMet($0, place) }.map(\.key),
                refusals: refused.map { Refusal(criterion: $0, value: $0.value(of: process, at: moment)) })
        }
    }
}

extension Criterion {
    /// What a process has where this key looks; nil where the kernel does not show it.
    package func value(of process: ProcessFacts, at moment: UInt64) -> String? {
        switch self {
        case .pid: "\(process.pid)"
        case .pidfile(let pid): pid.map { "\($0)" } ?? "no process"
        case .exe: process.exe
        case .comm: process.comm
        case .cmdline: process.commandLine
        case .user: "\(process.user)"
        case .group: "\(process.group)"
        case .cgroup: process.cgroups?.paths.joined(separator: ", ")
        case .systemdUnit:
            process.cgroups.map { $0.units.isEmpty ? "none" : $0.units.joined(separator: ", ") }
        case .env(let name, _): process.environment.map { $0[name] ?? "not set" }
        case .session: "\(process.session)"
        case .tty: process.terminal ?? "none"
        case .minAge:
            "\(ClockTicks.duration(moment > process.startTime ? moment - process.startTime : 0))"
        case .minCPUTime: "\(ClockTicks.duration(process.cpuTicks))"
        case .minRSS, .maxRSS: "\(ByteCount(process.residentBytes))"
        case .container:
            switch process.container {
            case .unknown: nil
            case .none: "none"
            case .inside(let facts): "\(facts)"
            }
        }
    }
}
