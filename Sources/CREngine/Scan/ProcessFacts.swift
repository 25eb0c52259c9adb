/// What a matcher may ask of a process. What nobody asked for is nil or empty.
package struct ProcessFacts: Equatable, Sendable {
    package var pid: PID
    package var parent: PID
    /// Clock ticks after boot.
    package var startTime: UInt64
    package var comm: String
    /// 0 where its leader is in an outer pid namespace.
    package var session: PID
    package var isKernelThread: Bool
    package var isZombie: Bool
    /// User and system time of all its threads, in clock ticks.
    package var cpuTicks: UInt64
    /// Resident set, bytes. The kernel counts it loosely; see proc_pid_stat(5).
    package var residentBytes: UInt64
    /// `/dev/pts/3`; nil for a process without a controlling terminal.
    package var terminal: String?
    /// Effective.
    package var user: UInt32
    /// Effective.
    package var group: UInt32
    /// Resolved, without ` (deleted)`; nil where the kernel does not show it.
    package var exe: String?
    /// The arguments joined by blanks; nil where the kernel does not show them.
    package var commandLine: String?
    /// Nil where the kernel does not show them.
    package var cgroups: ControlGroups?
    /// Of the variables that were asked for, those that it had when its program was started; nil where the kernel does
    /// not show them.
    package var environment: [String: String]?
    /// Inode of its pid namespace; nil where nobody asked or the kernel does not show it.
    package var pidNamespace: UInt64?
    package var container = ContainerMembership.unknown

    package init(pid: PID, parent: PID, startTime: UInt64, comm: String) {
        self.pid = pid
        self.parent = parent
        self.startTime = startTime
        self.comm = comm
        session = PID(0)
        isKernelThread = false
        isZombie = false
        cpuTicks = 0
        residentBytes = 0
        user = 0
        group = 0
    }
}

/// What is to be read of every process, besides /proc/PID/stat.
package struct ProcessNeeds: Equatable, Sendable {
    package var owner = false
    package var exe = false
    package var commandLine = false
    package var cgroups = false
    package var terminal = false
    /// The container that it is in, which takes its control groups and the notes of runtimes.
    package var container = false
    /// Names of environment variables.
    package var environment: Set<String> = []

    package init() {}

    package mutating func add(_ other: ProcessNeeds) {
        owner = owner || other.owner
        exe = exe || other.exe
        commandLine = commandLine || other.commandLine
        cgroups = cgroups || other.cgroups
        terminal = terminal || other.terminal
        container = container || other.container
        environment.formUnion(other.environment)
    }
}
