import Glibc
import PolicyModel
import Testing

@testable import CREngine

@Suite struct SelectionTests {
    /// init(1) - shell(10) - solver(20) - solver(21); crplan(30) under shell; other user's solver(40); a kernel thread.
    private let list: ProcessList = {
        func process(_ pid: Int32, _ parent: Int32, _ comm: String, user: UInt32 = 0) -> ProcessFacts {
            var facts = ProcessFacts(
                pid: PID(pid), parent: PID(parent), startTime: UInt64(pid) * 10, comm: comm)
            facts.exe = "/opt/\(comm)/bin/\(comm)"
            facts.commandLine = "\(comm) --case \(pid)"
            facts.user = user
            return facts
        }
        var thread = process(2, 0, "solver")
        thread.isKernelThread = true
        return ProcessList(
            processes: [
                process(1, 0, "init"), thread, process(10, 1, "sh"), process(20, 10, "solver"),
                process(21, 20, "solver"), process(30, 10, "crplan"), process(40, 1, "solver", user: 1000),
            ], ourselves: PID(30))
    }()

    private func pids(
        _ names: Selection.Names = .init(), except: [Matcher] = [], tree: TreeExtent = .descendants,
        _ change: (inout Matcher) -> Void
    ) -> [Int32] {
        var policy = Policy(name: "test")
        var matcher = Matcher()
        change(&matcher)
        policy.select = [matcher]
        policy.except = except
        policy.tree = tree
        return Selection.select(policy, from: list, names: names).matches.map(\.process.pid.rawValue)
    }

    @Test func `nested matches make the topmost one target`() {
        #expect(pids { $0.comm = Glob("solver") } == [20, 40])
        #expect(pids(tree: .process) { $0.comm = Glob("solver") } == [20, 21, 40])
    }

    @Test func `ourselves, our ancestors, init and kernel threads never match`() {
        #expect(list.protected == [PID(1), PID(10), PID(30)])
        #expect(pids { $0.exe = Glob("/opt/**") } == [20, 40])
        #expect(pids { $0.pid = 10 } == [])
        #expect(pids { $0.pid = 2 } == [])
    }

    @Test func `all keys of an entry must match`() {
        #expect(
            pids(.init(users: ["ada": 1000])) {
                $0.comm = Glob("solver")
                $0.user = [.name("ada")]
            } == [40])
        #expect(pids { $0.cmdline = RegexPattern("--case 4\\d") } == [40])
        #expect(pids(.init(pidfiles: ["/run/s.pid": PID(21)])) { $0.pidfile = "/run/s.pid" } == [21])
        #expect(pids { _ in } == [])
    }

    @Test func `except wins`() {
        var except = Matcher()
        except.pid = 20
        #expect(pids(except: [except]) { $0.comm = Glob("solver") } == [21, 40])
    }

    @Test func `names that the host does not know are told`() {
        var policy = Policy(name: "test")
        var matcher = Matcher()
        matcher.user = [.name("nobody-of-this-name")]
        var other = Matcher()
        other.pidfile = "/run/none.pid"
        policy.select = [matcher, other]
        let names = Selection.Names.resolve(policy)
        let selection = Selection.select(policy, from: list, names: names)
        #expect(selection.matches.isEmpty)
        #expect(selection.findings.map(\.code) == [.unknownPrincipal, .pidfileUnusable])
    }

    @Test func `the list of this host holds this test and protects it`() throws {
        var needs = ProcessNeeds()
        needs.owner = true
        needs.commandLine = true
        let list = try ProcessList.collect(needs)
        let own = try #require(list.processes.first { $0.pid == PID(getpid()) })
        #expect(own.user == geteuid())
        #expect(own.commandLine?.isEmpty == false)
        #expect(list.protected.isSuperset(of: [PID(getpid()), PID(getppid()), PID(1)]))
        var held = HeldProcesses()
        let isHeld = held.hold(own)
        #expect(isHeld)
        let isRunning = held.isRunning(own.pid)
        #expect(isRunning)
        var other = own
        other.pid = PID(1)
        let isOtherHeld = held.hold(other)
        #expect(!isOtherHeld)
    }
}
