/// Every key of the policy language, once. `later` marks what this build reads and does not act on yet.
enum PolicyKeys {
    static let policy: KeyTable<Policy> = KeyTable("a policy", Policy()) {
        Key("version", \.version, .version, "The version of the policy language.", required: true)
        Key(
            "name", \.name, .policyName, "Unique over all policies that are loaded together.",
            required: true)
        Key("description", \.description, .freeText, "Text for people.")
        Key(
            "select", \.select, .list(of: matcher.type(check: PolicyRules.check), "matchers"),
            "What to checkpoint: an entry matches when all its keys match; one entry is enough.",
            required: true)
        Key(
            "except", \.except, .list(of: matcher.type(check: PolicyRules.check), "matchers"),
            "What not to checkpoint; wins over select.")
        Key("tree", \.tree, .choice, "How far a match extends.", default: "descendants")
        Key(
            "max-targets", \.maxTargets, .integer(1...100_000), "More targets than this is a refusal.",
            default: "64")
        Key(
            "on-no-match", \.onNoMatch, .choice, "What to make of a run that finds nothing.",
            default: "ok")
        Key("allow", \.allow, AllowanceKeys.allow.type(), "What may lead out of the tree.")
        Key("dump", \.dump, dump.type(), "How a dump goes.")
        Key(
            "hooks", \.hooks, .list(of: hook.type(), "hooks"), "Programs to call at the stages of a run.")
        Key(
            "action-scripts", \.actionScripts, .list(of: .path, "paths"),
            "Programs to call at CRIU's stages.")
        Key("store", \.store, store.type(), "Where checkpoints go.")
        Key(
            "retention", \.retention, retention.type(),
            "Which checkpoints stay: the union of the keep rules.")
        Key("schedule", \.schedule, schedule.type(), "When to run.")
        Key("batch", \.batch, batch.type(), "How several trees go together.")
        Key("restore", \.restore, restore.type(), "What a restore does.")
    }

    static let matcher: KeyTable<Matcher> = KeyTable("a matcher", Matcher()) {
        Key("pid", optional: \.pid, .processID, "A process by number.")
        Key("pidfile", optional: \.pidfile, .path, "A file that holds the number.")
        Key("exe", optional: \.exe, .pathGlob, "On the resolved /proc/PID/exe.")
        Key("comm", optional: \.comm, .glob, "On /proc/PID/comm.")
        Key("cmdline", optional: \.cmdline, .regex, "On the arguments joined by blanks, unanchored.")
        Key("user", \.user, .oneOrMore(.principal), "Effective user, by name or number.")
        Key("group", \.group, .oneOrMore(.principal), "Effective group, by name or number.")
        Key("cgroup", optional: \.cgroup, .pathGlob, "On the path of the control group.")
        Key("systemd-unit", optional: \.systemdUnit, .glob, "On the name of the systemd unit.")
        Key("env", \.env, .map(of: .glob), "On environment variables at exec time.")
        Key("session", optional: \.session, .processID, "A session by its id.")
        Key("tty", optional: \.tty, .tty, "On the controlling terminal, or none.")
        Key("min-age", optional: \.minAge, .duration(), "Since the process started.")
        Key("min-cpu-time", optional: \.minCPUTime, .duration(), "User and system time together.")
        Key("min-rss", optional: \.minRSS, .size, "Least resident set.")
        Key("max-rss", optional: \.maxRSS, .size, "Greatest resident set.")
        Key(
            "container", optional: \.container, container.type(), "The container that holds the process.")
    }

    static let container: KeyTable<ContainerMatcher> = KeyTable("'container'", ContainerMatcher()) {
        Key(
            "runtime", optional: \.runtime, .glob,
            "What runs it: runc, crun, podman, docker, containerd, lxc.")
        Key("id", optional: \.id, .glob, "Its id.")
        Key("name", optional: \.name, .glob, "Its name.")
    }

    static let dump: KeyTable<DumpSettings> = KeyTable("'dump'", DumpSettings()) {
        Key("after", \.after, .choice, "What becomes of the tree.", default: "kill")
        Key(
            "filesystem", optional: \.filesystem, .choice(later: [.copy, .appendOnly]),
            "With leave-running, how files open for writing stay in step with memory.")
        Key(
            "established-tcp", \.establishedTCP, .choice,
            "With leave-running; allowed connections break at restore.", default: "deny")
        Key(
            "freeze-budget", optional: \.freezeBudget, .duration(least: "1ms"),
            "The longest pause the program may see.")
        Key("on-budget", \.onBudget, .choice, "When the pause gets longer.", default: "abort")
        Key(
            "freeze-timeout", \.freezeTimeout, .duration(least: "1ms"), "To seize the whole tree.",
            default: "10s")
        Key("timeout", \.timeout, .duration(least: "1s"), "The whole dump.", default: "10m")
        Key(
            "incremental", optional: \.incremental, incremental.type(), "Dumps that hold what changed.")
        Key("compress", \.compress, .choice, "Of page images.", default: "none", later: true)
        Key("cgroups", \.cgroups, .choice, "CRIU's --manage-cgroups mode.", default: "soft")
        Key(
            "network-lock", \.networkLock, .choice, "How connections are held.",
            default: "nftables")
    }

    static let incremental: KeyTable<IncrementalSettings> = KeyTable("'incremental'", IncrementalSettings()) {
        Key(
            "full-every", \.fullEvery, .integer(1...1000), "Each how many-th dump is a full one.",
            required: true)
    }

    static let hook: KeyTable<Hook> = KeyTable("a hook", Hook()) {
        Key("name", \.name, .text, "For reports.", required: true)
        Key("at", \.at, .choice, "The stage.", required: true)
        Key(
            "argv", \.argv, .list(of: .text, "arguments"), "Program and arguments; never a shell.",
            required: true)
        Key(
            "timeout", \.timeout, .duration(least: "1ms"), "After it the hook has failed.", default: "30s"
        )
        Key("on-error", \.onError, .choice, "When the hook fails.", default: "abort")
    }

    static let store: KeyTable<StoreSettings> = KeyTable("'store'", StoreSettings()) {
        Key("path", \.path, .path, "The directory of all checkpoints.", default: "/var/lib/crplan")
        Key("min-free", \.minFree, .size, "What must stay free on its file system.", default: "0")
    }

    static let retention: KeyTable<RetentionSettings> = KeyTable("'retention'", RetentionSettings()) {
        Key("keep-last", optional: \.keepLast, .integer(1...1_000_000), "The newest so many.")
        Key("keep-within", optional: \.keepWithin, .duration(least: "1s"), "All that are younger.")
        Key(
            "keep-hourly", optional: \.keepHourly, .integer(1...1_000_000),
            "The last of each of so many hours.")
        Key(
            "keep-daily", optional: \.keepDaily, .integer(1...1_000_000), "The last of each of so many days.")
        Key(
            "keep-weekly", optional: \.keepWeekly, .integer(1...1_000_000),
            "The last of each of so many weeks.")
        Key(
            "keep-monthly", optional: \.keepMonthly, .integer(1...1_000_000),
            "The last of each of so many months.")
        Key("max-total", optional: \.maxTotal, .size, "Past this the oldest go.")
    }

    static let schedule: KeyTable<ScheduleSettings> = KeyTable("'schedule'", ScheduleSettings()) {
        Key(
            "cron", optional: \.cron, .cron, "Five fields as in crontab(5), or @hourly and the like.")
        Key(
            "every", optional: \.every, .duration(least: "1m"),
            "The multiples of this since 1970-01-01T00:00:00Z.")
        Key("time-zone", optional: \.timeZone, .timeZone, "An IANA name; the host's without.")
        Key(
            "jitter", \.jitter, .duration(), "Deterministic per host and policy.", default: "0")
        Key(
            "catch-up", \.catchUp, .choice, "For runs missed while the host was off.", default: "none")
        Key(
            "overlap", \.overlap, .choice, "When the run before still goes on.", default: "skip")
        Key(
            "kills", \.kills, .boolean, "Consent to runs that kill unattended.", default: "false")
    }

    static let batch: KeyTable<BatchSettings> = KeyTable("'batch'", BatchSettings()) {
        Key("parallel", \.parallel, .integer(1...1024), "Trees at once.", default: "1")
        Key("retries", \.retries, .integer(0...100), "For transient failures only.", default: "0")
        Key("backoff", \.backoff, .duration(), "Between retries.", default: "30s")
        Key(
            "keep-going", \.keepGoing, .boolean, "Dump the ready trees although others are blocked.",
            default: "true")
    }

    static let restore: KeyTable<RestoreSettings> = KeyTable("'restore'", RestoreSettings()) {
        Key(
            "if-unlocked", \.ifUnlocked, .choice, "TCP whose lock is gone.", default: "fail")
        Key(
            "pidfile", optional: \.pidfile, .path, "Gets the root's number; {target} and {pid} expand.")
        Key("log-pid", \.logPID, .boolean, "A log a task.", default: "false")
        Key(
            "pid-conflict", \.pidConflict, .choice, "When a number is taken.", default: "fail")
        Key("detach", \.detach, .boolean, "Leave the tree to init.", default: "true")
        Key(
            "inherit-fd", \.inheritFD, .list(of: .inheritedFD, "descriptors"), "CRIU's --inherit-fd.")
    }
}
