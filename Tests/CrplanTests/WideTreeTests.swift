import CREngine
import Glibc
import TestSupport
import Testing

/// A look at a tree that is wide enough for several readers.
@Suite(.serialized) struct WideTreeTests {
    @Test func `several readers find a wide tree whole and in order`() throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        // More children than the one who asks reads alone, each with children of its own.
        let script = "for a in $(seq 40); do (sleep 1000 & sleep 1000 & wait) & done; wait"
        let root = try spawn(["/bin/sh", "-c", script], log: directory + "/log", directory: "/")
        defer { end(processTree(of: root)) }
        try #require(poll(until: now() + 60) { names(of: root).count { $0 == "sleep" } == 80 })

        let snapshot = try Collector.collect(root: PID(root), scope: .live)
        #expect(snapshot.events == [])
        #expect(snapshot.tasks.count == 121)
        #expect(Set(snapshot.tasks.map(\.pid.rawValue)) == Set(processTree(of: root)))
        // Parents before children, siblings by pid, all descendants of one before the next.
        var path: [PID] = []
        for task in snapshot.tasks {
            if let place = path.lastIndex(of: task.parent) { path.removeSubrange((place + 1)...) }
            #expect(task.pid == PID(root) || path.last == task.parent)
            path.append(task.pid)
        }
        for pair in zip(snapshot.tasks, snapshot.tasks.dropFirst()) where pair.0.parent == pair.1.parent {
            #expect(pair.0.pid < pair.1.pid)
        }
    }

    private func names(of root: Int32) -> [String] {
        processTree(of: root).map { trimmed(text(of: "/proc/\($0)/comm") ?? "") }
    }
}
