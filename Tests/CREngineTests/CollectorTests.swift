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
        // A running tree is not asked for what only images carry.
        #expect(task.limits.isEmpty && task.auxv.isEmpty)
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

    @Test func `a frozen tree is asked for what images carry`() throws {
        let snapshot = try Collector.collect(root: PID(getpid()), scope: .frozen)
        let task = try #require(snapshot.tasks.first)
        #expect(task.limits.count == 16)
        #expect(task.auxv.suffix(2) == [0, 0])
        #expect(task.personality.count == 8)
        #expect(task.coredumpFilter != nil)
        #expect(task.threads.count > 1 && task.threads.allSatisfy { !$0.affinity.isEmpty })
    }

    @Test func `a process that is not there is an error`() {
        #expect(throws: CollectorError.noSuchProcess(PID(4_194_303))) {
            try Collector.collect(root: PID(4_194_303), scope: .live)
        }
    }

    @Test func `a tree of children is collected with its shared files and its shape`() throws {
        // The shell leads a session of its own; its two children share its standard output.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSID))
        defer { posix_spawnattr_destroy(&attributes) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let script = "exec 5</dev/null; sleep 1000 & sleep 1000 & wait"
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(script), nil]
        defer { for argument in arguments { free(argument) } }
        var shell: pid_t = 0
        try #require(posix_spawn(&shell, "/bin/sh", &actions, &attributes, &arguments, environ) == 0)
        defer {
            for child in TaskList.children(of: PID(shell), thread: TID(shell)) {
                kill(child.rawValue, SIGKILL)
            }
            kill(shell, SIGKILL)
            waitpid(shell, nil, 0)
        }
        let deadline = Deadline.after(milliseconds: 10_000)
        var backoff = Backoff()
        var snapshot = try Collector.collect(root: PID(shell), scope: .live)
        while snapshot.tasks.map(\.comm) != ["sh", "sleep", "sleep"], !deadline.hasPassed {
            backoff.pause()
            snapshot = try Collector.collect(root: PID(shell), scope: .live)
        }
        try #require(snapshot.tasks.map(\.comm) == ["sh", "sleep", "sleep"])
        #expect(snapshot.tasks.map(\.parent).dropFirst().allSatisfy { $0 == PID(shell) })
        #expect(snapshot.tasks.allSatisfy { $0.sid == PID(shell) })
        #expect(snapshot.outsideLeaders.isEmpty)
        #expect(snapshot.tasks.map(\.sharing.files) == snapshot.tasks.map(\.pid))
        let outputs = snapshot.tasks.map { task in task.descriptors.first { $0.fd == 1 }?.file }
        #expect(Set(outputs).count == 1)
        let errors = snapshot.tasks.map { task in task.descriptors.first { $0.fd == 2 }?.file }
        #expect(errors == outputs)
        let inputs = snapshot.tasks.map { task in task.descriptors.first { $0.fd == 0 }?.file }
        #expect(inputs.first != outputs.first)
    }
}
