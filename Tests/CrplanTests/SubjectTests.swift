import TestSupport
import Testing

/// A subject, what is done to it, and what else must be said for that.
struct SubjectCase: CustomTestStringConvertible, Sendable {
    let subject: String
    let steps: String
    var options: [String] = []

    var testDescription: String { "\(subject): \(steps)" }
}

/// Every subject goes out and comes back, runs on beside a dump, and finds all that it set up.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct SubjectTests {
    static let carried = [
        "plain", "registers", "threads", "crowd", "rseq", "signals", "memory", "files", "pipes", "fifos",
        "fifos deleted", "fdshare", "descriptors",
        "tree",
        "creds",
        "identity", "clocks", "timers", "timers overruns", "timers thread", "killtarget page",
        "unix pair", "unix stream", "unix seqpacket", "unix listen", "unix dgram", "unix passed", "inet",
        "link",
        "events", "pidfds", "pidfds thread", "memfds", "epolls", "epolls exact", "notify",
        "notify link", "notify fanotify",
        "terminals modes", "terminals bytes", "terminals lines", "terminals closed", "terminals session",
        "terminals leader",
        "tcp plain", "tcp empty", "tcp six", "tcp mapped", "tcp full", "tcp small-full", "tcp unacked",
        "tcp options",
        "tasks seccomp", "tasks strict", "tasks chains", "tasks orphans", "cgroups", "directories",
        "tasks shared", "tasks stopped", "tasks signals", "tasks deadline", "tasks policies",
        "sysv", "sysv user", "sysv undo", "cow", "areas", "aio", "denials", "denials own",
        "devices own", "nsfiles", "ghosts sparse", "ghosts attributes", "pseudo", "processfiles", "pathonly",
        "tcp half", "tcp half-empty", "tcp device", "tcp finwait", "tcp closing", "tcp lastack", "tcp reset",
    ]

    /// Calls that a blocked thread sits in while its tree is dumped; what they wait on can be carried.
    static let calls = [
        "nanosleep", "nanosleep-rest", "nanosleep-same", "clock_nanosleep", "clock_nanosleep-absolute",
        "poll",
        "poll-timed", "ppoll-timed", "select", "select-timed", "pselect-timed", "futex", "futex-timed",
        "futex-bitset",
        "read", "write", "write-atomic", "wait4", "waitid", "sigwaitinfo", "sigtimedwait", "pause",
        "sigsuspend", "msgrcv",
        "semop",
        "semtimedop", "epoll_wait", "epoll_wait-timed", "recv-timed",
    ]

    /// Calls on objects that block a dump: it must be refused without the call noticing.
    static let refusedCalls = ["flock"]

    /// Objects that block a dump.
    static let refusedKinds = [
        "unix-urgent", "unix-passed-epoll", "unix-passed-inotify", "unix-passed-pty",
        "unix-passed-outside-pidfd",
        "unix-passed-connection", "tcp-urgent", "udp-more", "udp-cork", "udp-tunnel", "socket-program",
        "io_uring", "bpf", "message-queue", "aio", "secret-memory",
        "events", "deleted-watch", "filesystem-mark", "outside-pidfd", "escaped-epoll",
        "packet-pipe", "flock", "posix-lock",
        "ofd-lock",
        "lease", "namespace", "proc", "userfaultfd", "perf", "outside-pipe", "landlock",
        "packets", "directory-watch", "outside-owner", "async-owner", "kernel-log",
    ]

    /// Ways of being a task that block a dump.
    static let refusedTasks = [
        "shared-memory", "shared-handlers", "own-files", "vfork", "dispatch", "program32",
    ]

    static var cases: [SubjectCase] {
        carried.map { SubjectCase(subject: $0, steps: "dump,restore,check") }
            + carried.map { SubjectCase(subject: $0, steps: "dump-running,check") }
            + calls.map { SubjectCase(subject: "eintr \($0)", steps: "dump,restore,check") }
            + calls.map { SubjectCase(subject: "eintr \($0)", steps: "dump-running,check") }
            + refusedCalls.map { SubjectCase(subject: "eintr \($0)", steps: "dump-blocked,check") }
            + refusedKinds.map { SubjectCase(subject: "holder \($0)", steps: "dump-blocked,check") }
            + refusedTasks.map { SubjectCase(subject: "uncarried \($0)", steps: "dump-blocked,check") }
            + [
                "locks", "locks leases", "notify unnamed", "notify deleted", "ghosts big", "outside pipe",
                "outside stdout", "outside fifo", "terminals given-up", "terminals control", "sysv outside",
                "tcp unseen-reset", "tcp unseen-reset-empty",
            ].map {
                SubjectCase(subject: $0, steps: "dump-blocked,check")
            }
            + [
                SubjectCase(
                    subject: "unix outside-dgram", steps: "dump,restore,check",
                    options: ["--dump-option", "--ext-unix-sk"]),
                SubjectCase(subject: "unix outside-dgram", steps: "dump-blocked,check"),
                SubjectCase(
                    subject: "links", steps: "dump,restore,check", options: ["--dump-option", "--link-remap"]),
                SubjectCase(
                    subject: "links kept", steps: "dump-running,check",
                    options: ["--dump-option", "--link-remap"]),
                SubjectCase(subject: "links", steps: "dump-blocked,check"),
                SubjectCase(
                    subject: "devices", steps: "dump-running,dump,restore,check",
                    options: ["--dump-option", "--evasive-devices"]),
                SubjectCase(subject: "devices", steps: "dump-blocked,check"),
                // Away for longer than any tolerance: the clocks must not show it.
                SubjectCase(subject: "clocks", steps: "dump,pause:3,restore,check"),
                // What was restored can be dumped again.
                SubjectCase(subject: "tree", steps: "dump-running,cycle:3,dump-running,check"),
                SubjectCase(subject: "memory", steps: "cycle:3,check"),
                SubjectCase(subject: "areas", steps: "cycle:2,check"),
                SubjectCase(subject: "aio", steps: "cycle:2,check"),
                SubjectCase(subject: "threads", steps: "dump-stopped,cycle:2,check"),
                SubjectCase(subject: "creds", steps: "cycle:2,check"),
                SubjectCase(subject: "timers", steps: "cycle:2,check"),
                SubjectCase(subject: "timers overruns", steps: "dump-running,cycle:2,check"),
                SubjectCase(subject: "timers thread", steps: "cycle:2,check"),
                // A dump looks at messages, which marks empty ones.
                SubjectCase(subject: "unix dgram", steps: "dump-running,cycle:1,dump-running,cycle:1,check"),
                SubjectCase(subject: "unix seqpacket", steps: "dump-running,cycle:2,check"),
                SubjectCase(subject: "events", steps: "dump,pause:2,restore,dump,restore,check"),
                SubjectCase(subject: "epolls exact", steps: "cycle:2,check"),
                // As after a reboot: nothing outlived the tree.
                SubjectCase(subject: "sysv", steps: "dump,forget-ipc,restore,dump,restore,check"),
                SubjectCase(subject: "sysv user", steps: "dump,forget-ipc,restore,check"),
                SubjectCase(subject: "sysv undo", steps: "dump,forget-ipc,restore,cycle:1,check"),
                SubjectCase(subject: "eintr semop", steps: "dump,forget-ipc,restore,check"),
                SubjectCase(subject: "eintr msgrcv", steps: "dump,forget-ipc,restore,check"),
            ] + (BuiltPrograms.wantsLongTests ? longCases : [])
    }

    /// What an option of the plumbing allows.
    static let allowed: [(subject: String, options: [String])] = [
        ("locks", ["--dump-option", "--file-locks"]), ("locks shared", ["--dump-option", "-l"]),
        ("locks leases", ["--dump-option", "-l"]),
        ("eintr flock", ["--dump-option", "-l"]),
        ("notify unnamed", ["--dump-option", "--irmap-scan-path", "--dump-option", "/dev/pts"]),
    ]

    static var allowedCases: [SubjectCase] {
        allowed.flatMap { row in
            ["dump,restore,check", "dump-running,check", "cycle:2,check"].map {
                SubjectCase(subject: row.subject, steps: $0, options: row.options)
            }
        }
    }

    /// Leaks of a cycle, a descriptor or an area a time, show up after some.
    /// `clocks` has a thread that ends by itself, which can be between a look and a dump.
    static var longCases: [SubjectCase] {
        carried.filter { $0 != "clocks" }.map { SubjectCase(subject: $0, steps: "cycle:15,check") }
    }

    @Test(arguments: Self.cases + Self.allowedCases)
    func `a subject keeps all that it set up`(_ row: SubjectCase) throws {
        let subject = row.subject.split(separator: " ").map(String.init)
        let words = [BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--steps", row.steps]
        let run = try Command.run(words + row.options + subject, timeout: 150)
        #expect(run.ending == .exit(0), "\(run.output)")
    }
}

/// The subjects themselves: without any dump each must pass, or its verdict after one would mean nothing.
@Suite(.serialized)
struct SubjectsAloneTests {
    @Test(
        arguments: SubjectTests.carried.filter {
            !["creds", "inet", "link", "sysv user", "devices own"].contains($0) && !$0.hasPrefix("tcp")
        } + [
            "eintr poll", "eintr write", "holder eventfd",
        ])
    func `an undisturbed subject passes`(_ subject: String) throws {
        let words = [BuiltPrograms.subjectRunner, "--tool", "/bin/false", "--steps", "check"]
        let run = try Command.run(words + subject.split(separator: " ").map(String.init))
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    @Test func `a tool that does nothing fails a dump`() throws {
        let words = [
            BuiltPrograms.subjectRunner, "--tool", "/bin/true", "--steps", "dump,restore,check", "files",
        ]
        let run = try Command.run(words)
        #expect(run.ending == .exit(1))
        #expect(run.output.contains("still there after a dump that kills"))
    }

    @Test func `a dump that was to be refused fails the run when it succeeds`() throws {
        let words = [
            BuiltPrograms.subjectRunner, "--tool", "/bin/true", "--steps", "dump-blocked,check", "files",
        ]
        let run = try Command.run(words)
        #expect(run.ending == .exit(1))
        #expect(run.output.contains("a dump that must be refused ended with exit 0"))
    }
}
