import CREngine
import Glibc
import TestSupport
import Testing

/// A dump or a restore is cut at every named point, and at system calls that fail: the tree lives on untouched, or is gone
/// with a whole checkpoint to show for it; nothing that was half restored runs; no file is left.
///
/// Debug builds only: `FaultPoints` and the calls that can be told to fail are in no other.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply && BuiltPrograms.isDebugBuild, "needs root and a debug build"))
struct FaultTests {
    /// A system call that fails once, with the error that a full disk, a broken one, or a lack of memory gives.
    struct Failure: CustomTestStringConvertible, Sendable {
        var name: String
        var number: Int
        var error: Int32
        var testDescription: String { "\(name) with error \(error)" }

        /// The next call to try: of a short run each a good deal after the one before.
        func next(after place: Int) -> Int { BuiltPrograms.wantsLongTests ? place + 1 : place * 9 / 5 + 1 }
    }

    static let failures = [
        Failure(name: "write", number: 1, error: ENOSPC),
        Failure(name: "pwrite64", number: 18, error: ENOSPC),
        Failure(name: "openat", number: 257, error: EIO),
        Failure(name: "openat", number: 257, error: EMFILE),
        Failure(name: "fsync", number: 74, error: EIO),
        Failure(name: "read", number: 0, error: EIO),
        Failure(name: "pread64", number: 17, error: EIO),
        Failure(name: "process_vm_readv", number: 310, error: ENOMEM),
        Failure(name: "ioctl", number: 16, error: EIO),
        Failure(name: "fcntl", number: 72, error: ENOMEM),
        Failure(name: "memfd_create", number: 319, error: ENOMEM),
        Failure(name: "pidfd_getfd", number: 438, error: EMFILE),
        Failure(name: "clone3", number: 435, error: ENOMEM),
    ]

    /// What is looked at around each cut.
    private final class Target {
        var load: Workload
        let policy: String
        let pids: [Int32]
        /// Those of them that were no zombies.
        let living: [Int32]
        /// Names in the program's directory, which no cut may add to.
        let names: Set<String>

        init(_ subject: [String]) throws {
            var load = try Workload(timeout: 3600)
            let place = load.place
            try load.start([BuiltPrograms.subject, "--status", place + "/status"] + subject)
            try #require(load.await { text(of: place + "/status") == "ready\n" })
            policy = try load.writePolicy("faults", pids: [load.root])
            pids = processTree(of: load.root)
            living = pids.filter { statFields("/proc/\($0)/stat").first != "Z" }
            names = Set(TestSupport.names(in: place))
            self.load = load
        }

        var isAlive: Bool {
            living.allSatisfy { !["", "Z", "X"].contains(statFields("/proc/\($0)/stat").first ?? "") }
        }
        var isGone: Bool { pids.allSatisfy { statFields("/proc/\($0)/stat").isEmpty } }
        var hasCheckpoint: Bool { !load.checkpoints(of: "faults").isEmpty }
        /// Anything in the program's directory that was not there, but for what it logs.
        var strangeNames: Set<String> { Set(TestSupport.names(in: load.place)).subtracting(names) }
        /// Checkpoints that are not whole.
        var unfinished: [String] {
            TestSupport.names(in: load.store + "/faults").flatMap { target in
                TestSupport.names(in: "\(load.store)/faults/\(target)").filter { $0.hasPrefix(".incomplete") }
            }
        }
    }

    private static func run(_ words: [String], _ environment: [String], timeout: Double = 60) throws
        -> Command
    {
        try Command.run(["/usr/bin/env"] + environment + [BuiltPrograms.crplan] + words, timeout: timeout)
    }

    /// After a dump that was cut: the tree lives as before, or is gone with a checkpoint, by which it is brought back.
    ///
    /// `images`: of a dump without a store.
    private static func settle(
        _ target: Target, _ before: Fingerprint, _ cut: String, images: String? = nil
    ) throws {
        if target.isAlive {
            var differences: [String] = []
            let settled = poll(until: now() + 20) {
                let current = Fingerprint(root: target.load.root)
                differences = current.held(before: before) + current.differences(from: before)
                return differences.isEmpty
            }
            #expect(settled, "\(cut): \(differences)")
            #expect(target.strangeNames.isEmpty, "\(cut): \(target.strangeNames)")
        } else {
            let isGone = reap(target.pids, until: now() + 20)
            #expect(isGone, "\(cut): part of the tree is left")
            if let images {
                let back = try run(["restore", "-d", "-D", images], [])
                #expect(back.ending == .exit(0), "\(cut), and then: \(back.output)")
            } else {
                #expect(target.hasCheckpoint, "\(cut): the tree is gone, and there is no checkpoint of it")
                try restore(target, cut)
            }
        }
        #expect(target.load.contents("status") == "ready\n", "\(cut): \(target.load.contents("status"))")
    }

    private static func restore(_ target: Target, _ cut: String) throws {
        // Not `latest`: who was killed after publishing has not moved that on.
        let directory = target.load.store + "/faults"
        let all = TestSupport.names(in: directory).flatMap { name in
            TestSupport.names(in: "\(directory)/\(name)").filter { $0.hasPrefix("20") }.map { (name, $0) }
        }
        guard let (name, last) = all.max(by: { $0.1 < $1.1 }) else { return }
        let newest = "\(directory)/\(name)/\(last)"
        let back = try run(["restore", newest], [])
        #expect(back.ending == .exit(0), "\(cut), and then: \(back.output)")
    }

    private static func points(_ words: [String], in directory: String) throws -> [String] {
        let list = directory + "/points"
        let whole = try run(words, ["CRPLAN_LIST_POINTS=\(list)"])
        #expect(whole.ending == .exit(0), "\(whole.output)")
        let names = (text(of: list) ?? "").split(separator: "\n").map(String.init)
        // The workers of one list may be several.
        return Array(Set(names)).sorted()
    }

    /// Kills whoever stopped at its point; false where nobody came by it.
    private static func kill(at point: String, _ words: [String], _ target: Target) throws -> Bool {
        let pid = try spawn(
            ["/usr/bin/env", "CRPLAN_STOP_AT==\(point)", BuiltPrograms.crplan] + words,
            log: target.load.directory + "/tool.log", directory: "/")
        let tree = Set(target.pids)
        var stopped: Int32 = 0
        var isOver = false
        _ = poll(until: now() + 60) {
            // Its own stop, not one that it has put on others: a stub of the tree is not stopped by a signal.
            stopped =
                processTree(of: pid).first {
                    !tree.contains($0) && statFields("/proc/\($0)/stat").first == "T"
                } ?? 0
            isOver = statFields("/proc/\(pid)/stat").first.map { $0 == "Z" } ?? true
            return stopped != 0 || isOver
        }
        if stopped != 0 { _ = Glibc.kill(stopped, SIGKILL) }
        let ending = wait(for: pid, until: now() + 60)
        #expect(ending != nil, "\(point): the tool does not end")
        if ending == nil { end([pid]) }
        return stopped != 0
    }

    @Test(arguments: ["files", "tree", "tcp plain"])
    func `a dump that is killed at a named point harms nothing`(_ subject: String) throws {
        let target = try Target(subject.split(separator: " ").map(String.init))
        if subject.hasPrefix("tcp") {
            try write((text(of: target.policy) ?? "") + "allow: {tcp-established: true}\n", to: target.policy)
        }
        let points = try Self.points(["apply", target.policy], in: target.load.directory)
        try #require(reap(target.pids, until: now() + 10))
        try Self.restore(target, "the first dump")
        #expect(points.count > 20, "\(points)")
        for point in points {
            let before = Fingerprint(root: target.load.root)
            let isCut = try Self.kill(at: point, ["apply", target.policy], target)
            #expect(isCut, "nobody came to: \(point)")
            try Self.settle(target, before, "killed at \(point)")
        }
        // What a killed run left of a checkpoint goes with the next one.
        let last = try Self.run(["apply", target.policy], [])
        #expect(last.ending == .exit(0), "\(last.output)")
        #expect(target.unfinished.isEmpty, "\(target.unfinished)")
        try #require(reap(target.pids, until: now() + 10))
        try Self.restore(target, "the last dump")
        try write("", to: target.load.place + "/status.check")
        #expect(target.load.ended() == .exit(0), "\(target.load.contents("status"))")
    }

    /// No task, no name of a deleted file, no group, no pidfile, no object of System V IPC.
    @Test(arguments: ["files", "tree", "unix listen", "cgroups", "tasks stopped", "sysv"])
    func `a restore that is killed at a named point leaves nothing`(_ subject: String) throws {
        let target = try Target(subject.split(separator: " ").map(String.init))
        let root = target.load.root
        defer { CgroupTests.removeGroups(of: root) }
        let out = try Self.run(["apply", target.policy], [])
        try #require(out.ending == .exit(0), "\(out.output)")
        try #require(reap(target.pids, until: now() + 10))
        let newest = try #require(target.load.checkpoints(of: "faults").first)
        let pidfile = target.load.directory + "/pid"
        let words = ["restore", newest, "--pidfile", pidfile]
        // What outlives a tree that ran is not the restore's.
        func removeTree() {
            end(target.pids)
            unlink(pidfile)
            CgroupTests.removeGroups(of: root)
            removeSystemV(of: Set(target.pids))
        }
        removeTree()
        let points = try Self.points(words, in: target.load.directory)
        #expect(points.count > 12, "\(points)")
        for point in points {
            removeTree()
            let objects = Self.systemV
            let isCut = try Self.kill(at: point, words, target)
            #expect(isCut, "nobody came to: \(point)")
            #expect(reap(target.pids, until: now() + 20), "killed at \(point): something runs")
            let isClean = poll(until: now() + 20) {
                target.strangeNames.isEmpty && CgroupTests.groups(of: root).isEmpty
                    && access(pidfile, F_OK) != 0 && Self.systemV == objects
            }
            #expect(
                isClean,
                "\(point): \(target.strangeNames) \(CgroupTests.groups(of: root)) \(Self.systemV.subtracting(objects)) \(text(of: pidfile) ?? "")"
            )
        }
        let back = try Self.run(["restore", newest], [])
        try #require(back.ending == .exit(0), "\(back.output)")
        #expect(target.strangeNames.isEmpty, "\(target.strangeNames)")
        try write("", to: target.load.place + "/status.check")
        #expect(target.load.ended() == .exit(0), "\(target.load.contents("status"))")
    }

    /// Keys and ids of all objects of System V IPC.
    private static var systemV: Set<String> {
        Set(
            ["shm", "sem", "msg"].flatMap { kind in
                (text(of: "/proc/sysvipc/\(kind)") ?? "").split(separator: "\n").dropFirst().map {
                    kind + " " + $0.split(separator: " ").prefix(2).joined(separator: " ")
                }
            })
    }

    @Test(arguments: Self.failures)
    func `a dump in which a call fails harms nothing`(_ failure: Failure) throws {
        let target = try Target(["files"])
        var (place, cuts) = (1, 0)
        while true {
            let before = Fingerprint(root: target.load.root)
            let cut = "\(failure.name) number \(place) failed with \(failure.error)"
            let images = target.load.directory + "/images-\(place)"
            mkdir(images, 0o700)
            let run = try Self.run(
                ["dump", "-t", "\(target.load.root)", "-D", images],
                ["CRPLAN_FAIL_CALL=\(failure.number)@\(place)@\(failure.error)"])
            if case .signal(let number) = run.ending { Issue.record("\(cut): signal \(number)") }
            try Self.settle(target, before, cut, images: images)
            if !run.output.contains("was told to fail") { break }
            cuts += 1
            place = failure.next(after: place)
        }
        #expect(cuts > 0, "no such call was made")
        try write("", to: target.load.place + "/status.check")
        #expect(target.load.ended() == .exit(0), "\(target.load.contents("status"))")
    }

    @Test(arguments: Self.failures)
    func `a restore in which a call fails leaves nothing running`(_ failure: Failure) throws {
        let target = try Target(["files"])
        let out = try Self.run(["apply", target.policy], [])
        try #require(out.ending == .exit(0), "\(out.output)")
        try #require(reap(target.pids, until: now() + 10))
        let newest = try #require(target.load.checkpoints(of: "faults").first)
        var place = 1
        while true {
            let cut = "\(failure.name) number \(place) failed with \(failure.error)"
            let run = try Self.run(
                ["restore", newest], ["CRPLAN_FAIL_CALL=\(failure.number)@\(place)@\(failure.error)"])
            if case .signal(let number) = run.ending { Issue.record("\(cut): signal \(number)") }
            let isCut = run.output.contains("was told to fail")
            if run.ending == .exit(0) {
                #expect(target.isAlive, "\(cut): no tree, and no error")
            } else {
                #expect(reap(target.pids, until: now() + 20), "\(cut): something runs")
                #expect(target.strangeNames.isEmpty, "\(cut): \(target.strangeNames)")
            }
            if !isCut { break }
            end(target.pids)
            place = failure.next(after: place)
        }
        try write("", to: target.load.place + "/status.check")
        #expect(target.load.ended() == .exit(0), "\(target.load.contents("status"))")
    }
}
