import CREngine
import Foundation
import Glibc
import PolicyModel
import TestSupport
import Testing

enum DebianCron {
    static let path = "/usr/sbin/cron"
    static let isInstalled = access(path, X_OK) == 0
}

/// Debian's own cron over a live workload, in a mount namespace of its own.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply && DebianCron.isInstalled, "needs root and Debian's cron"))
struct CronTests {
    /// Whether this build can leave a tree running: what the policy below asks for.
    static var canLeaveRunning: Bool {
        let text = policyText(name: "x", pid: 1, store: "/x")
        let policies = try? PolicyLoader().load([PolicyFile(name: "x", bytes: Array(text.utf8))])
        return policies?.first?.unsupportedKeys().isEmpty == true
    }

    private static func policyText(name: String, pid: Int32, store: String) -> String {
        """
        version: 1
        name: \(name)
        select:
          - pid: \(pid)
        dump:
          after: leave-running
          filesystem: unsafe-ignore
        store:
          path: \(store)
        schedule:
          cron: "* * * * *"
        retention:
          keep-last: 2

        """
    }

    /// Counts in its memory, and writes each number to a file as a line of 12 bytes with a write of its own.
    private static let counter = """
        import os, sys, time
        os.chdir(sys.argv[1])
        out = os.open("counts", os.O_WRONLY | os.O_CREAT, 0o644)
        count = 0
        while True:
            count += 1
            os.write(out, b"%011d\\n" % count)
            time.sleep(0.02)
        """

    /// The numbers that the counter wrote; nil where one is missing, twice or torn.
    private func counts(_ workload: borrowing Workload) -> Int? {
        let bytes = (try? Data(contentsOf: URL(filePath: workload.place + "/counts"))) ?? Data()
        // The last line may be under way.
        let lines = bytes.count / 12
        for line in 0..<lines {
            let text = String(decoding: bytes[(line * 12)..<(line * 12 + 12)], as: UTF8.self)
            if text.dropLast().drop(while: { $0 == "0" }) != "\(line + 1)" { return nil }
        }
        return lines
    }

    @Test(
        .enabled(if: Self.canLeaveRunning, "this build does not have leave-running with unsafe-ignore"),
        .timeLimit(.minutes(20)))
    func `cron makes a checkpoint a minute that nobody notices, and the last one goes on from its number`()
        throws
    {
        var workload = try Workload(timeout: 900)
        let namespace = try PrivateCron(in: workload.directory)
        try write(Self.counter, to: workload.place + "/counter.py")
        // Entering the namespace leaves the working directory, which would lie outside of it.
        let program = ["/usr/bin/python3", workload.place + "/counter.py", workload.place]
        try workload.start(namespace.enter + program)
        let begins = poll(until: now() + 60) { counts(workload) ?? 0 > 10 }
        try #require(begins, "\(workload.contents("log"))")
        let pid = workload.root
        let born = statFields("/proc/\(pid)/stat")[19]

        let name = "cron-\(UInt32.random(in: 0...UInt32.max))"
        let file = "\(workload.directory)/\(name).yaml"
        try write(Self.policyText(name: name, pid: pid, store: workload.store), to: file)
        let install = try Command.run([
            BuiltPrograms.crplan, "schedule", "install", file, "--to", "cron", "--directory",
            namespace.entries,
        ])
        try #require(install.ending == .exit(0), "\(install.output)")
        let history = History(store: Store(path: workload.store), policy: name)
        let others = Set(processTree(of: getpid()))
        let ended = { (try? history.read().events.filter { $0.event == .finished }.count) ?? 0 }
        try namespace.run {
            #expect(workload.await { ended() >= 3 }, "\((try? history.read().events) ?? [])")
        }
        // A run that cron has just begun goes on without it, as a child of ours.
        #expect(
            workload.await {
                let left = Set(processTree(of: getpid())).subtracting(others)
                return left.allSatisfy { waitpid($0, nil, WNOHANG) == $0 }
            })

        try checkHistory(history.read().events)
        // Nobody noticed: the same process, every number once.
        #expect(statFields("/proc/\(pid)/stat").dropFirst(19).first == born)
        let written = counts(workload)
        let before = try #require(written)
        #expect(workload.await { counts(workload) ?? 0 > before })

        // Retention: the two newest are there, and no other.
        let dumped = try history.read().events.filter { $0.event == .target }.compactMap(\.checkpoint)
        let kept = try Store(path: workload.store).checkpoints()
        #expect(kept.map(\.id) == Array(dumped.suffix(2)))
        let newest = try #require(kept.last)

        // The counter ends, its file goes back to what it was at the checkpoint, and the checkpoint goes on.
        end([pid])
        let all = counts(workload)
        try #require(all != nil)
        let size = try sizeAtDump(newest, of: workload.place + "/counts")
        try #require(size >= 12 && size % 12 == 0)
        #expect(truncate(workload.place + "/counts", off_t(size)) == 0)
        let back = try Command.run(namespace.enter + [BuiltPrograms.crplan, "restore", newest.path])
        try #require(back.ending == .exit(0), "\(back.output)")
        #expect(workload.await { counts(workload) ?? 0 > size / 12 + 20 })
        let whole = counts(workload)
        #expect(whole != nil)
    }

    /// A run each minute, each of them with a checkpoint; one that could not be begun in time is written down.
    private func checkHistory(_ events: [HistoryEvent]) throws {
        let runs = events.filter { $0.event == .started || $0.event == .skipped }
        let minutes = runs.map { Int($0.at.timeIntervalSince1970) / 60 }
        #expect(minutes == Array((minutes.first ?? 0)..<(minutes.first ?? 0) + minutes.count), "\(events)")
        let targets = events.filter { $0.event == .target }
        #expect(targets.count >= 3)
        #expect(targets.allSatisfy { $0.outcome == "dumped" && $0.confirmed == true }, "\(targets)")
        #expect(Set(targets.compactMap(\.checkpoint)).count == targets.count)
        #expect(events.filter { $0.event == .finished }.allSatisfy { $0.outcome == "done" }, "\(events)")
    }

    /// Bytes that a file had when the tree was frozen, by the images.
    private func sizeAtDump(_ checkpoint: Checkpoint, of path: String) throws -> Int {
        let images = try OwnedFD.open(checkpoint.imagesPath, O_RDONLY | O_DIRECTORY)
        for file in try ImageSet.read(from: images).files {
            if case .regular(let regular) = file.content, regular.path == path {
                return Int(regular.size ?? 0)
            }
        }
        return 0
    }
}

/// A mount namespace in which cron has directories of its own and runs nobody else's jobs.
///
/// The namespace ends with the process that holds it, which is killed when the value goes; cron is killed before.
private struct PrivateCron: ~Copyable {
    private let holder: Int32
    private let directory: String

    /// To be put before a command that is to run inside.
    var enter: [String] { ["/usr/bin/nsenter", "--target", "\(holder)", "--mount", "--"] }
    /// Its /etc/cron.d.
    var entries: String { directory + "/cron.d" }

    init(in directory: String) throws {
        let script = """
            set -e
            cd "$1"
            mkdir -p cron.d spool/crontabs
            : >crontab
            mount -t tmpfs none /run
            mount --bind cron.d /etc/cron.d
            mount --bind spool /var/spool/cron
            mount --bind crontab /etc/crontab
            : >mounted
            exec sleep 1000000
            """
        let words = [
            "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/bash", "-c", script, "bash",
            directory,
        ]
        let pid = try spawn(words, log: directory + "/namespace.log", directory: "/")
        let isReady = poll(until: now() + 60) { access(directory + "/mounted", F_OK) == 0 }
        if !isReady { end([pid]) }
        try #require(isReady, "\(text(of: directory + "/namespace.log") ?? "")")
        holder = pid
        self.directory = directory
    }

    deinit { end([holder]) }

    /// Runs `body` while cron runs.
    func run(_ body: () throws -> Void) throws {
        let cron = try spawn(enter + [DebianCron.path, "-f"], log: directory + "/cron.log", directory: "/")
        defer { end([cron]) }
        try body()
    }
}
