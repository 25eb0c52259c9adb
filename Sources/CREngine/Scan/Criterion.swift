package import PolicyModel

/// One key of a matcher, with the names of the policy turned into what this host has for them.
package enum Criterion: Sendable, Equatable {
    case pid(PID)
    /// Nil where the file names no process.
    case pidfile(PID?)
    case exe(Glob)
    case comm(Glob)
    case cmdline(RegexPattern)
    case user(Set<UInt32>)
    case group(Set<UInt32>)
    case cgroup(Glob)
    case systemdUnit(Glob)
    case env(name: String, Glob)
    case session(PID)
    case tty(TTYMatcher)
    /// Clock ticks.
    case minAge(UInt64)
    /// Clock ticks.
    case minCPUTime(UInt64)
    /// Bytes.
    case minRSS(UInt64)
    /// Bytes.
    case maxRSS(UInt64)
    case container(ContainerMatcher)

    /// What the kernel does not show is neither met nor not met.
    package enum Verdict: Sendable, Equatable {
        case met
        case notMet
        case unknown
    }

    /// As the policy calls it; `env.NAME` for one variable.
    package var key: String {
        switch self {
        case .pid: "pid"
        case .pidfile: "pidfile"
        case .exe: "exe"
        case .comm: "comm"
        case .cmdline: "cmdline"
        case .user: "user"
        case .group: "group"
        case .cgroup: "cgroup"
        case .systemdUnit: "systemd-unit"
        case .env(let name, _): "env.\(name)"
        case .session: "session"
        case .tty: "tty"
        case .minAge: "min-age"
        case .minCPUTime: "min-cpu-time"
        case .minRSS: "min-rss"
        case .maxRSS: "max-rss"
        case .container: "container"
        }
    }

    /// What must be read of a process to judge by it.
    var needs: ProcessNeeds {
        var needs = ProcessNeeds()
        switch self {
        case .pid, .pidfile, .comm, .session, .minAge, .minCPUTime, .minRSS, .maxRSS: break
        case .container: needs.container = true
        case .exe: needs.exe = true
        case .cmdline: needs.commandLine = true
        case .user, .group: needs.owner = true
        case .cgroup, .systemdUnit: needs.cgroups = true
        case .env(let name, _): needs.environment = [name]
        case .tty: needs.terminal = true
        }
        return needs
    }

    /// Of all but `cmdline`, which is searched for many processes at once and under a time limit.
    /// `moment` is in clock ticks after boot.
    func verdict(on process: ProcessFacts, at moment: UInt64) -> Verdict {
        switch self {
        case .pid(let pid): Verdict(process.pid == pid)
        case .pidfile(let pid): Verdict(process.pid == pid)
        case .exe(let glob): Verdict(process.exe.map { glob.matches($0) })
        case .comm(let glob): Verdict(glob.matches(process.comm))
        case .cmdline: .unknown
        case .container(let matcher):
            switch process.container {
            case .unknown: .unknown
            case .none: .notMet
            case .inside(let facts): Verdict(facts.fits(matcher))
            }
        case .user(let ids): Verdict(ids.contains(process.user))
        case .group(let ids): Verdict(ids.contains(process.group))
        case .cgroup(let glob): Verdict(process.cgroups.map { $0.paths.contains { glob.matches($0) } })
        case .systemdUnit(let glob): Verdict(process.cgroups.map { $0.units.contains { glob.matches($0) } })
        case .env(let name, let glob):
            Verdict(
                process.environment.map { variables in variables[name].map { glob.matches($0) } ?? false })
        case .session(let id): Verdict(process.session == id)
        case .tty(.absent): Verdict(process.terminal == nil)
        case .tty(.glob(let glob)):
            Verdict(process.terminal.map { Criterion.matches(glob, terminal: $0) } ?? false)
        case .minAge(let least): Verdict(moment >= process.startTime && moment - process.startTime >= least)
        case .minCPUTime(let least): Verdict(process.cpuTicks >= least)
        case .minRSS(let least): Verdict(process.residentBytes >= least)
        case .maxRSS(let most): Verdict(process.residentBytes <= most)
        }
    }

    private static func matches(_ glob: Glob, terminal path: String) -> Bool {
        glob.matches(path) || glob.matches(String(path.dropFirst("/dev/".utf8.count)))
    }
}

extension Criterion.Verdict {
    init(_ isMet: Bool?) {
        self = isMet.map { $0 ? .met : .notMet } ?? .unknown
    }
}

extension Matcher {
    /// The keys that it sets, cheap ones first. What the host does not know of is told under the entry's key path.
    func criteria(
        _ names: Selection.Names, _ keyPath: String, _ findings: inout [Finding]
    ) -> [Criterion] {
        var found: [Criterion] = []
        if let pid { found.append(.pid(PID(pid))) }
        if let pidfile {
            if names.pidfiles[pidfile] == nil {
                findings.append(
                    Finding(
                        .pidfileUnusable, FindingObject(path: pidfile, key: "\(keyPath).pidfile"), pidfile))
            }
            found.append(.pidfile(names.pidfiles[pidfile]))
        }
        if let session { found.append(.session(PID(session))) }
        if let comm { found.append(.comm(comm)) }
        if let tty { found.append(.tty(tty)) }
        if let minAge { found.append(.minAge(ClockTicks.count(minAge))) }
        if let minCPUTime { found.append(.minCPUTime(ClockTicks.count(minCPUTime))) }
        if let minRSS { found.append(.minRSS(minRSS.bytes)) }
        if let maxRSS { found.append(.maxRSS(maxRSS.bytes)) }
        if !user.isEmpty {
            found.append(.user(Matcher.numbers(user, names.users, "\(keyPath).user", &findings)))
        }
        if !group.isEmpty {
            found.append(.group(Matcher.numbers(group, names.groups, "\(keyPath).group", &findings)))
        }
        if let exe { found.append(.exe(exe)) }
        if let cgroup { found.append(.cgroup(cgroup)) }
        if let systemdUnit { found.append(.systemdUnit(systemdUnit)) }
        for (name, glob) in env.sorted(by: { $0.key < $1.key }) { found.append(.env(name: name, glob)) }
        if let container { found.append(.container(container)) }
        if let cmdline { found.append(.cmdline(cmdline)) }
        return found
    }

    private static func numbers(
        _ principals: [Principal], _ known: [String: UInt32], _ key: String, _ findings: inout [Finding]
    ) -> Set<UInt32> {
        var ids: Set<UInt32> = []
        for principal in principals {
            switch principal {
            case .number(let number): ids.insert(number)
            case .name(let name):
                if let number = known[name] {
                    ids.insert(number)
                } else {
                    findings.append(Finding(.unknownPrincipal, FindingObject(key: key), name))
                }
            }
        }
        return ids
    }
}

extension ClockTicks {
    /// Rounded up, so that "at least" stays true.
    static func count(_ duration: Duration) -> UInt64 {
        let milliseconds = UInt64(clamping: Int64(duration / .milliseconds(1)))
        return (milliseconds * perSecond + 999) / 1000
    }
}

extension ProcessNeeds {
    /// What the matchers of a policy ask for.
    package init(_ policy: Policy) {
        self.init()
        for matcher in policy.select + policy.except {
            var ignored: [Finding] = []
            for criterion in matcher.criteria(.init(), "", &ignored) { add(criterion.needs) }
        }
        if policy.tree == .cgroup { cgroups = true }
    }
}
