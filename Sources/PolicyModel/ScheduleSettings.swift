/// When a policy runs: the `schedule` section.
package struct ScheduleSettings: Sendable, Equatable, Codable {
    /// Whether a run missed while the host was off is made up for.
    package enum CatchUp: String, Sendable, CaseIterable, Codable {
        case none
        case once
    }
    /// What a run does while the one before still goes on.
    package enum Overlap: String, Sendable, CaseIterable, Codable {
        case skip
        case wait
    }
    /// Never together with ``every``.
    package var cron: CronExpression?
    package var every: Duration?
    /// An IANA name. Nil: the host's.
    package var timeZone: String?
    /// Deterministic per host and policy.
    package var jitter = Duration.zero
    package var catchUp = CatchUp.none
    package var overlap = Overlap.skip
    /// Says that the operator knows that scheduled runs kill.
    package var kills = false

    package init() {}
}

/// How several trees go together: the `batch` section.
package struct BatchSettings: Sendable, Equatable, Codable {
    /// Trees at once.
    package var parallel = 1
    /// For transient failures only.
    package var retries = 0
    package var backoff = Duration.seconds(30)
    /// Dump the ready trees although others are blocked.
    package var keepGoing = true

    package init() {}
}

/// What a restore does: the `restore` section.
package struct RestoreSettings: Sendable, Equatable, Codable {
    /// What becomes of connections whose network lock is gone.
    package enum IfUnlocked: String, Sendable, CaseIterable, Codable {
        case fail
        case close
        case restore
    }
    /// What to do when a number is taken at restore.
    package enum PIDConflict: String, Sendable, CaseIterable, Codable {
        case fail
        case newPIDNamespace = "new-pid-namespace"
    }
    package var ifUnlocked = IfUnlocked.fail
    /// An absolute path in which `{target}` and `{pid}` expand.
    package var pidfile: String?
    package var logPID = false
    package var pidConflict = PIDConflict.fail
    package var detach = true
    package var inheritFD: [InheritedFD] = []

    package init() {}
}

/// A descriptor that the restored tree takes over from the restoring process, as `criu --inherit-fd`.
package struct InheritedFD: Sendable, Equatable, Codable {
    package var fd: Int32
    /// What it stands for in the image: `pipe[12345]`, a path…
    package var resource: String

    package init(fd: Int32, resource: String) {
        self.fd = fd
        self.resource = resource
    }
}
