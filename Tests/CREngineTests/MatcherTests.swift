import PolicyModel
import Testing

@testable import CREngine

/// Each matcher on facts that are made up.
@Suite struct MatcherTests {
    private func process(_ change: (inout ProcessFacts) -> Void = { _ in }) -> ProcessFacts {
        var facts = ProcessFacts(pid: PID(20), parent: PID(1), startTime: 1000, comm: "solver")
        facts.session = PID(20)
        facts.user = 1000
        facts.group = 100
        facts.exe = "/opt/solver"
        facts.commandLine = "solver --case 7"
        facts.cgroups = ControlGroups(unified: "/system.slice/solver.service")
        facts.environment = ["SITE": "berlin"]
        facts.cpuTicks = 150
        facts.residentBytes = 4 << 20
        change(&facts)
        return facts
    }

    private func matches(
        _ facts: ProcessFacts, _ names: Selection.Names = .init(), except: Bool = false,
        _ change: (inout Matcher) -> Void
    ) -> Bool {
        var matcher = Matcher()
        change(&matcher)
        var policy = Policy(name: "test")
        var anything = Matcher()
        anything.comm = Glob("**")
        policy.select = except ? [anything] : [matcher]
        policy.except = except ? [matcher] : []
        var list = ProcessList(processes: [facts], ourselves: PID(2))
        list.moment = 2000
        return Selection.select(policy, from: list, names: names).matches.count == 1
    }

    @Test func `group, session and terminal`() {
        #expect(matches(process(), .init(groups: ["users": 100])) { $0.group = [.name("users")] })
        #expect(!matches(process()) { $0.group = [.number(0), .number(7)] })
        #expect(matches(process()) { $0.session = 20 })
        #expect(!matches(process()) { $0.session = 21 })
        #expect(matches(process()) { $0.tty = .absent })
        let onTerminal = process { $0.terminal = "/dev/pts/3" }
        #expect(!matches(onTerminal) { $0.tty = .absent })
        #expect(matches(onTerminal) { $0.tty = Glob("pts/*").map { .glob($0) } })
        #expect(matches(onTerminal) { $0.tty = Glob("/dev/pts/3").map { .glob($0) } })
        #expect(!matches(onTerminal) { $0.tty = Glob("tty*").map { .glob($0) } })
        #expect(!matches(process()) { $0.tty = Glob("**").map { .glob($0) } })
    }

    @Test func `age, time and memory, their limits included`() {
        #expect(matches(process()) { $0.minAge = .seconds(10) })
        #expect(!matches(process()) { $0.minAge = .milliseconds(10_010) })
        #expect(matches(process()) { $0.minCPUTime = .milliseconds(1500) })
        #expect(!matches(process()) { $0.minCPUTime = .milliseconds(1501) })
        #expect(matches(process()) { $0.minRSS = ByteCount(4 << 20) })
        #expect(!matches(process()) { $0.minRSS = ByteCount(4 << 20 + 1) })
        #expect(matches(process()) { $0.maxRSS = ByteCount(4 << 20) })
        #expect(!matches(process()) { $0.maxRSS = ByteCount(4 << 20 - 1) })
    }

    @Test func `environment variables must all be there and fit`() {
        #expect(
            matches(process()) { $0.env = ["SITE": Glob("ber*") ?? $0.env["SITE"]].compactMapValues { $0 } })
        let two: [String: Glob] = ["SITE": Glob("*"), "NIGHT": Glob("*")].compactMapValues { $0 }
        #expect(!matches(process()) { $0.env = two })
        #expect(matches(process { $0.environment = ["SITE": "", "NIGHT": "1"] }) { $0.env = two })
    }

    @Test func `what the kernel does not show is not selected, and is left alone by except`() {
        let hidden = process {
            $0.environment = nil
            $0.exe = nil
            $0.cgroups = nil
            $0.commandLine = nil
        }
        #expect(!matches(hidden) { $0.exe = Glob("/**") })
        #expect(!matches(hidden, except: true) { $0.exe = Glob("/opt/*") })
        #expect(!matches(hidden, except: true) { $0.cgroup = Glob("/x") })
        #expect(!matches(hidden, except: true) { $0.cmdline = RegexPattern("nothing like it") })
        #expect(matches(process(), except: true) { $0.exe = Glob("/usr/*") })
        #expect(!matches(process(), except: true) { $0.exe = Glob("/opt/*") })
    }

    @Test(arguments: [
        // cgroup2 alone, hybrid with everything in v1, hybrid with systemd in cgroup2, v1 alone, root everywhere
        ("0::/system.slice/a.service\n", ["/system.slice/a.service"], ["a.service"]),
        (
            "2:memory:/batch/7\n1:name=systemd:/system.slice/a.service\n0::/\n",
            ["/", "/batch/7", "/system.slice/a.service"], ["a.service"]
        ),
        ("2:memory:/batch/7\n0::/x.scope\n", ["/x.scope"], ["x.scope"]),
        ("2:cpu,cpuacct:/batch\n1:name=systemd:/batch\n", ["/batch"], []),
        ("1:cpu:/\n0::/\n", ["/"], []),
        (
            "0::/user.slice/user-7.slice/user@7.service/app.slice/app-x.scope/inner\n",
            ["/user.slice/user-7.slice/user@7.service/app.slice/app-x.scope/inner"],
            ["user@7.service", "app-x.scope"]
        ),
        (
            "0::/machine.slice/vm.scope/payload/system.slice/b.service\n",
            ["/machine.slice/vm.scope/payload/system.slice/b.service"], ["vm.scope"]
        ),
        ("0::/system.slice/_cpu.service\n", ["/system.slice/_cpu.service"], ["cpu.service"]),
    ])
    func `the paths of control groups and the units in them`(
        text: String, paths: [String], units: [String]
    ) throws {
        let groups = ControlGroups(try CgroupRow.parse(Array(text.utf8)))
        #expect(groups.paths == paths)
        #expect(groups.units == units)
        let facts = process { $0.cgroups = groups }
        for path in paths { #expect(matches(facts) { $0.cgroup = Glob(path) }) }
        for unit in units { #expect(matches(facts) { $0.systemdUnit = Glob(unit) }) }
        #expect(!matches(facts) { $0.systemdUnit = Glob("other.service") })
    }

    @Test func `a container by runtime, id and name, and none that cannot be known`() {
        func container(_ runtime: String?, _ id: String?, _ name: String?) -> ContainerMatcher {
            var matcher = ContainerMatcher()
            (matcher.runtime, matcher.id, matcher.name) = (
                runtime.flatMap { Glob($0) }, id.flatMap { Glob($0) }, name.flatMap { Glob($0) }
            )
            return matcher
        }
        let facts = ContainerFacts(runtimes: ["crun", "podman"], id: "x12", name: "box")
        let inside = process { $0.container = .inside(facts) }
        for fitting in [
            container("crun", nil, nil), container("podman", "x*", nil), container(nil, "x12", "b?x"),
            container(nil, nil, nil),
        ] {
            #expect(matches(inside) { $0.container = fitting })
            #expect(!matches(inside, except: true) { $0.container = fitting })
            #expect(!matches(process { $0.container = .none }) { $0.container = fitting })
            #expect(matches(process { $0.container = .none }, except: true) { $0.container = fitting })
            // What cannot be known selects nothing, and is left alone.
            #expect(!matches(process()) { $0.container = fitting })
            #expect(!matches(process(), except: true) { $0.container = fitting })
        }
        for other in [container("runc", nil, nil), container("crun", "y*", nil), container(nil, "x*", "b")] {
            #expect(!matches(inside) { $0.container = other })
        }
    }

    @Test func `only what a policy asks for is read`() {
        var policy = Policy(name: "test")
        var matcher = Matcher()
        matcher.comm = Glob("a")
        policy.select = [matcher]
        #expect(ProcessNeeds(policy) == ProcessNeeds())
        matcher.env = ["A": Glob("b")].compactMapValues { $0 }
        policy.except = [matcher]
        policy.tree = .cgroup
        var needs = ProcessNeeds()
        needs.environment = ["A"]
        needs.cgroups = true
        #expect(ProcessNeeds(policy) == needs)
    }
}
