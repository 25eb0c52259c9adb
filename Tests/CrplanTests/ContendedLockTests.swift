import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Locks that somebody outside waits for: who it is, what `owned` and `any` make of it, and a lock that the waiter got
/// when the tree was gone.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct ContendedLockTests {
    private static let call = [
        "flock": "fcntl.flock(file, fcntl.LOCK_EX)", "posix": "fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)",
    ]

    /// Runs until `end` is there, with the lock all the time.
    private func holder(_ kind: String) -> [String] {
        let program = """
            import fcntl, os, time
            file = open("shared", "w")
            \(Self.call[kind] ?? "")
            open("held", "w").close()
            while not os.path.exists("end"): time.sleep(0.01)
            """
        return ["/usr/bin/python3", "-c", program]
    }

    private func waiter(_ kind: String) -> [String] {
        let program = """
            import fcntl, os, time
            file = open("shared", "w")
            \(Self.call[kind] ?? "")
            open("got", "w").close()
            while not os.path.exists("give"): time.sleep(0.01)
            """
        return ["/usr/bin/python3", "-c", program]
    }

    @Test(arguments: ["flock", "posix"])
    func `a lock that others wait for is told, and its loss fails the restore by name`(_ kind: String) throws
    {
        var load = try Workload()
        let place = load.place
        try load.start(holder(kind))
        let isHeld = load.await { text(of: place + "/held") != nil }
        try #require(isHeld, "\(load.contents("log"))")
        let outside = try spawn(waiter(kind), log: place + "/waiter.log", directory: place)
        defer { end([outside]) }
        let waits = load.await {
            (try? LockTable.read().contains { $0.isWaiting && $0.pid == outside }) ?? false
        }
        try #require(waits)

        let file = try load.writePolicy("contended", pids: [load.root])
        let rest = text(of: file) ?? ""
        try write(rest + "allow: {file-locks: owned}\n", to: file)
        let blocked = try Command.run([BuiltPrograms.crplan, "apply", file])
        #expect(blocked.ending == .exit(3))
        let said = blocked.output.split { $0 == "\n" || $0 == " " }.joined(separator: " ")
        #expect(said.contains("CRP415"), "\(blocked.output)")
        #expect(said.contains("waited for by") && said.contains("[\(outside)]"), "\(blocked.output)")

        try write(rest + "allow: {file-locks: any}\n", to: file)
        let applied = try Command.run([BuiltPrograms.crplan, "apply", file])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        try #require(reap([load.root], until: now() + 20))
        // Nothing holds a lock between kill and restore.
        let isTaken = load.await { text(of: place + "/got") != nil }
        #expect(isTaken)
        let refused = try load.restore("contended")
        #expect(refused.ending == .exit(1))
        for part in ["\(place)/shared", "[\(outside)]", kind == "flock" ? "flock" : "POSIX"] {
            #expect(refused.output.contains(part), "\(part): \(refused.output)")
        }
        #expect(refused.output.split(separator: "\n").count == 1, "\(refused.output)")
        #expect(statFields("/proc/\(load.root)/stat").isEmpty)

        try write("", to: place + "/give")
        _ = wait(for: outside, until: now() + 20)
        let restored = try load.restore("contended")
        #expect(restored.ending == .exit(0), "\(restored.output)")
        let second = try spawn(waiter(kind), log: place + "/waiter.log", directory: place)
        defer { end([second]) }
        // The lock is the tree's again.
        let waitsAgain = load.await {
            (try? LockTable.read().contains { $0.isWaiting && $0.pid == second }) ?? false
        }
        #expect(waitsAgain)
        try write("", to: place + "/end")
        #expect(load.ended() == .exit(0))
        #expect(wait(for: second, until: now() + 20) == .exit(0))
    }
}
