import Glibc
import Testing

@testable import CREngine

@Suite struct CollectorTests {
    @Test func `the tests own process shows its facts`() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let twin = dup(ends[1])
        defer { for fd in ends + [twin] { close(fd) } }
        let snapshot = try Collector.collect(root: PID(getpid()), scope: .live)
        let task = try #require(snapshot.tasks.first)
        #expect(task.pid == PID(getpid()))
        #expect(task.parent == PID(getppid()))
        #expect(task.sid == PID(getsid(0)))
        #expect(task.exe?.reach == .same)
        #expect(task.limits.count == 16)
        #expect(task.auxv.suffix(2) == [0, 0])
        #expect(task.threads.first?.tid == task.pid.leader)
        #expect(task.namespaces == snapshot.ownNamespaces)
        let kinds = Set(task.areas.map(\.kind))
        #expect(kinds.isSuperset(of: [.anonymous, .stack, .vdso, .vvar, .file, .vsyscall]))
        #expect(!kinds.contains(.unknown))
        #expect(task.areas.allSatisfy { $0.flags?.contains(.unknown) == false })

        func file(_ fd: Int32) throws -> OpenFileID {
            try #require(task.descriptors.first { $0.fd == fd }).file
        }
        #expect(try file(ends[1]) == file(twin))
        #expect(try file(ends[0]) != file(ends[1]))
        let end = snapshot[try file(ends[0])]
        #expect(end.facts?.type == .fifo)
        #expect(end.reach == .notAPath)
        #expect(end.link == "pipe:[\(end.inode)]")
        #expect(snapshot.outsideHolders[end.inode] == nil)
    }

    @Test func `a process that is not there is an error`() {
        #expect(throws: CollectorError.noSuchProcess(PID(4_194_303))) {
            try Collector.collect(root: PID(4_194_303), scope: .live)
        }
    }
}
