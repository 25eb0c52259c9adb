import Testing

@testable import CREngine

/// Which process is in which container, by notes and names that are made up.
@Suite struct ContainerTests {
    @Test func `the notes of runc and crun are read`() {
        let runc =
            #"{"id":"box","init_process_pid":17,"init_process_start":3645356,"config":{"rootfs":"/b"}}"#
        #expect(
            ContainerState.runc(Array(runc.utf8))
                == ContainerState(id: "box", pid: PID(17), startTime: 3_645_356))
        let crun = #"{"pid": 18, "process-start-time": 99, "cgroup-path": "/box", "scope": null}"#
        #expect(
            ContainerState.crun(Array(crun.utf8), id: "box")
                == ContainerState(id: "box", pid: PID(18), startTime: 99))
        // Of an older one, and of a container that is made or has ended.
        #expect(ContainerState.crun(Array(#"{"pid": 18}"#.utf8), id: "box")?.startTime == nil)
        for broken in [#"{"pid": 0}"#, #"{"id":"box","init_process_pid":-1}"#, "{", ""] {
            #expect(ContainerState.crun(Array(broken.utf8), id: "box") == nil)
            #expect(ContainerState.runc(Array(broken.utf8)) == nil)
        }
    }

    private static let hash = String(repeating: "0123456789abcdef", count: 4)

    @Test(arguments: [
        ("/system.slice/docker-\(hash).scope", "docker"), ("/docker/\(hash)", "docker"),
        ("/machine.slice/libpod-\(hash).scope/container", "podman"),
        ("/libpod_parent/libpod-\(hash)", "podman"),
        ("/kubepods.slice/kubepods-pod1.slice/cri-containerd-\(hash).scope", "containerd"),
        ("/kubepods.slice/crio-\(hash).scope", "cri-o"),
    ])
    func `an engine's name of a control group tells the container`(_ path: String, _ runtime: String) {
        #expect(ContainerGroupNames.container(of: path) == ContainerFacts(runtimes: [runtime], id: Self.hash))
    }

    @Test func `other groups tell of none`() {
        #expect(ContainerGroupNames.container(of: "/lxc.payload.web/x")?.name == "web")
        for path in [
            "/", "/system.slice/docker.service", "/system.slice/docker-volume.service", "/docker",
            "/machine.slice/libpod-conmon-\(Self.hash).scope", "/user.slice/app-docker-compose.scope",
        ] {
            #expect(ContainerGroupNames.container(of: path) == nil, "\(path)")
        }
    }

    @Test func `descendants, the pid namespace and the own control group are inside`() {
        func process(_ pid: Int32, _ parent: Int32, _ namespace: UInt64, _ group: String) -> ProcessFacts {
            var facts = ProcessFacts(pid: PID(pid), parent: PID(parent), startTime: 1, comm: "x")
            facts.pidNamespace = namespace
            facts.cgroups = ControlGroups(unified: group)
            return facts
        }
        let processes = [
            process(10, 1, 100, "/box"), process(11, 10, 100, "/box"), process(12, 5, 100, "/elsewhere"),
            process(13, 11, 300, "/box"), process(20, 1, 1, "/shared"), process(21, 5, 1, "/shared/below"),
            process(22, 5, 1, "/sharedness"), process(30, 11, 400, "/box/inner"), process(5, 1, 1, "/"),
        ]
        let box = ContainerFacts(runtimes: ["runc"], id: "box")
        let shared = ContainerFacts(runtimes: ["crun"], id: "shared")
        let inner = ContainerFacts(runtimes: ["crun"], id: "inner")
        let index = ContainerIndex(
            containers: [
                .init(facts: box, first: PID(10), pidNamespace: 100, groups: []),
                .init(facts: shared, first: PID(20), pidNamespace: nil, groups: ["/shared"]),
                .init(facts: inner, first: PID(30), pidNamespace: 400, groups: []),
            ], processes)
        let found = processes.map { index.membership(of: $0) }
        #expect(
            found == [
                .inside(box), .inside(box), .inside(box), .inside(box), .inside(shared), .inside(shared),
                .none,
                .inside(inner), .none,
            ])
        var hidden = process(40, 5, 1, "/")
        hidden.cgroups = nil
        #expect(index.membership(of: hidden) == .unknown)
    }

    @Test func `conmon says what people call the container`() {
        let facts = ContainerFacts(runtimes: ["crun"], id: "x")
        let words = [
            "/usr/bin/conmon", "-c", "x", "-u", "x", "-n", "web", "--exit-command-arg", "-n", "other",
        ]
        #expect(ContainerIndex.Monitor.named(facts, words: words).name == "web")
        #expect(ContainerIndex.Monitor.named(facts, words: ["conmon", "-n"]).name == "x")
    }
}
