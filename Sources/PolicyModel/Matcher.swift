/// One entry of `select` or `except`: it matches a process when every key that is set matches.
package struct Matcher: Sendable, Equatable, Codable {
    /// A process by number.
    package var pid: Int32?
    /// An absolute path of a file that holds the number.
    package var pidfile: String?
    /// On the resolved `/proc/PID/exe`, an absolute path.
    package var exe: Glob?
    /// On `/proc/PID/comm`.
    package var comm: Glob?
    /// On the arguments joined by blanks, unanchored.
    package var cmdline: RegexPattern?
    /// Effective user; one of the list is enough. Empty: any.
    package var user: [Principal] = []
    /// Effective group; one of the list is enough. Empty: any.
    package var group: [Principal] = []
    /// On the path below the cgroup2 mount, with a leading slash.
    package var cgroup: Glob?
    /// On the name of the systemd unit.
    package var systemdUnit: Glob?
    /// Environment variables at exec time; all must match.
    package var env: [String: Glob] = [:]
    /// A session id.
    package var session: Int32?
    /// The controlling terminal.
    package var tty: TTYMatcher?
    /// Since the process started.
    package var minAge: Duration?
    /// User and system time together.
    package var minCPUTime: Duration?
    /// Resident set, inclusive.
    package var minRSS: ByteCount?
    /// Resident set, inclusive.
    package var maxRSS: ByteCount?
    /// The container that holds the process.
    package var container: ContainerMatcher?

    package init() {}
}

/// A user or a group, by name or by number.
package enum Principal: Sendable, Equatable, Codable, CustomStringConvertible {
    case name(String)
    case number(UInt32)

    package var description: String {
        switch self {
        case .name(let name): name
        case .number(let number): String(number)
        }
    }
}

/// What the controlling terminal of a process must be.
package enum TTYMatcher: Sendable, Equatable, Codable {
    /// It has none.
    case absent
    /// Its path below /dev or whole, `/dev/pts/3`.
    case glob(Glob)
}

/// A container by what its engine says of it; all that is set must match.
package struct ContainerMatcher: Sendable, Equatable, Codable {
    /// `docker`, `podman`, `lxc`…
    package var runtime: Glob?
    package var id: Glob?
    package var name: Glob?

    package init() {}
}
