import PolicyModel
import Testing

@testable import CREngine

/// A tree of one ordinary process, to be changed by each test.
func ordinarySnapshot() -> Snapshot {
    var snapshot = Snapshot(collector: PID(900), root: PID(100), isFrozen: false)
    snapshot.sharedMemoryDevice = DeviceNumber(0, 1)
    var stat = TaskStat()
    stat.id = 100
    stat.comm = "solver"
    stat.parent = 1
    stat.processGroup = 100
    stat.session = 100
    stat.exitSignal = 17
    stat.startTime = 5000
    stat.state = UInt8(ascii: "S")
    var task = TaskFacts(stat: stat)
    let program = FileFacts(device: DeviceNumber(254, 0), inode: 7, mode: 0o100755)
    task.exe = FileLink(path: "/opt/solver/bin/solver", facts: program, reach: .same)
    task.cwd = FileLink(path: "/", facts: nil, reach: .same)
    task.rootDirectory = FileLink(path: "/", facts: nil, reach: .same)
    task.arguments = ["solver", "--run"]
    task.threads = [ThreadFacts(stat: stat)]
    task.areas = [
        VMA(start: 0x7f00_0000_0000, end: 0x7f00_0000_2000, protection: 3, isShared: false, kind: .anonymous)
    ]
    snapshot.tasks = [task]
    return snapshot
}

/// Adds an open file and a descriptor of the root for it.
func addFile(
    _ snapshot: inout Snapshot, fd: Int32, link: String, mode: UInt32, inode: UInt64 = 42,
    reach: PathReach = .same, change: (inout OpenFile) -> Void = { _ in }
) {
    let id = OpenFileID(rawValue: snapshot.openFiles.count)
    var file = OpenFile(
        id: id, link: link, facts: FileFacts(device: DeviceNumber(254, 0), inode: inode, mode: mode),
        reach: reach, info: DescriptorInfo(), pid: PID(100), fd: fd)
    change(&file)
    snapshot.openFiles.append(file)
    snapshot.tasks[0].descriptors.append(Descriptor(fd: fd, closesOnExec: false, file: id))
}

@Suite struct ScannerTests {
    private func codes(_ snapshot: Snapshot, _ allow: Allowances = Allowances()) -> [FindingCode] {
        Scanner.scan(snapshot, allow: allow).map(\.code)
    }

    @Test func `an ordinary process has no finding`() {
        #expect(codes(ordinarySnapshot()) == [])
    }

    @Test func `carried kinds have no finding`() {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/var/log/solver.log", mode: 0o100644)
        addFile(&snapshot, fd: 4, link: "/srv", mode: 0o040755)
        addFile(&snapshot, fd: 5, link: "/dev/null", mode: 0o020666) {
            $0.facts?.represents = DeviceNumber(1, 3)
        }
        addFile(&snapshot, fd: 6, link: "pipe:[77]", mode: 0o010600, inode: 77, reach: .notAPath)
        #expect(codes(snapshot) == [])
        #expect(
            snapshot.openFiles.map { FileTable.tag(of: $0, in: snapshot) }
                == [.regularFile, .directory, .memoryDevice, .pipe])
    }

    @Test func `a thread clock without an id blocks where there are several threads`() {
        var snapshot = ordinarySnapshot()
        let ofThread = TimerRow(id: 0, signal: 34, sigval: 0, notify: 0, target: 100, clock: -2)
        snapshot.tasks[0].posixTimers = [ofThread]
        #expect(codes(snapshot) == [])
        snapshot.tasks[0].threads.append(snapshot.tasks[0].threads[0])
        #expect(codes(snapshot) == [.threadTimer])
        snapshot.tasks[0].posixTimers[0].clockOwner = 101
        #expect(codes(snapshot) == [])
        #expect(snapshot.tasks[0].posixTimers[0].clock(leader: 100) == ~101 << 3 | 6)
        #expect(snapshot.tasks[0].posixTimers[0].clock(leader: 101) == -2)
        snapshot.tasks[0].posixTimers[0].clock = -6
        #expect(codes(snapshot) == [])
    }

    @Test func `a flusher and a setting that no image holds block`() {
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].threads[0].flags = 0x18_0000
        #expect(codes(snapshot) == [.flusher])
        snapshot.tasks[0].threads[0].flags = 0
        snapshot.tasks[0].threads[0].status.limitsSpeculation = true
        #expect(codes(snapshot) == [.lostSetting])
        // Then the filter has brought it along.
        snapshot.tasks[0].threads[0].status.seccompMode = 2
        #expect(codes(snapshot) == [])
        snapshot.tasks[0].threads[0].hasCoreCookie = true
        #expect(codes(snapshot) == [.lostSetting])
        snapshot.tasks[0].threads[0].hasCoreCookie = false
        snapshot.tasks[0].threads[0].deadline = .init(runtime: 1, deadline: 2, period: 3, flags: 2)
        #expect(codes(snapshot) == [])
        snapshot.tasks[0].threads[0].deadline?.flags = 4
        #expect(codes(snapshot) == [.lostSetting])
    }

    @Test func `a label blocks unless it is ours or none`() {
        var snapshot = ordinarySnapshot()
        for (own, label, expected) in [
            (nil, "unconfined", []), (nil, "unconfined_u:unconfined_r:unconfined_t:s0", []),
            ("unconfined", "nginx (enforce)", [.securityLabel]),
            ("shell (enforce)", "shell (enforce)", []),
        ] as [(String?, String, [FindingCode])] {
            snapshot.ownSecurityLabel = own
            snapshot.tasks[0].securityLabel = label
            #expect(codes(snapshot) == expected, "\(label)")
        }
    }

    @Test func `filters are read unless we are held by one ourselves`() {
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].threads[0].status.seccompMode = 2
        #expect(codes(snapshot) == [])
        snapshot.ownSeccompMode = 2
        #expect(codes(snapshot) == [.seccomp])
    }

    @Test func `a protection key blocks, but not the one of memory that may only be run`() throws {
        let text = """
            7f0000000000-7f0000001000 rw-p 00000000 00:00 0
            ProtectionKey:         1
            VmFlags: rd wr mr mw me ac

            """
        let flags = try #require(try AreaList.parse(Array(text.utf8)).first?.flags)
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].areas[0].flags = flags
        #expect(codes(snapshot) == [.protectionKey])
        snapshot.tasks[0].areas[0].protection = 4
        #expect(codes(snapshot) == [])
    }

    @Test func `a deleted file is a ghost up to the limit and a blocker above`() {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/tmp/x", mode: 0o100600, reach: .gone) {
            $0.facts?.links = 0
            $0.facts?.size = 3 << 20
            $0.facts?.blocks = 2048
        }
        #expect(codes(snapshot) == [.ghostFile])
        snapshot.openFiles[0].facts?.blocks = 2049
        let findings = Scanner.scan(snapshot, allow: Allowances())
        #expect(findings.map(\.code) == [.ghostTooLarge])
        #expect(findings.first?.remedy == "allow: {ghost-limit: 1025KiB}")
        var allow = Allowances()
        allow.ghostLimit = .auto
        #expect(codes(snapshot, allow) == [.ghostFile])
        snapshot.openFiles[0].facts?.links = 1
        #expect(codes(snapshot) == [.nameGone])
    }

    @Test func `a pipe with an outside holder blocks and names the holder`() throws {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 7, link: "pipe:[77]", mode: 0o010600, inode: 77, reach: .notAPath)
        snapshot.outsideHolders[77] = [
            OutsideHolder(pid: PID(5), comm: "logger", fd: 0, canRead: true, canWrite: false)
        ]
        let finding = try #require(Scanner.scan(snapshot, allow: Allowances()).first)
        #expect(finding.code == .pipeOutside)
        #expect(finding.object.peer == "logger[5]")
        #expect(finding.object.fd == 7)
        snapshot.tasks[0].descriptors[0].fd = 1
        let stream = try #require(Scanner.scan(snapshot, allow: Allowances()).first)
        #expect(stream.code == .stdioOutside)
    }

    @Test func `an established connection names its peer`() throws {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 9, link: "socket:[5]", mode: 0o140777, inode: 5, reach: .notAPath)
        var socket = SocketFacts(inode: 5, family: .tcp, protocolName: "TCP")
        socket.state = .established
        socket.local = "10.1.3.7:40122"
        socket.remote = "203.0.113.9:8443"
        socket.remotePort = 8443
        snapshot.sockets[5] = socket
        let finding = try #require(Scanner.scan(snapshot, allow: Allowances()).first)
        #expect(finding.code.rawValue == "CRP221")
        #expect(finding.what == "established tcp 10.1.3.7:40122 -> 203.0.113.9:8443")
        #expect(finding.object.peer == "203.0.113.9:8443")
    }

    @Test func `memory that is bound to nodes is told, once a process`() throws {
        let text = """
            7f0000000000 default anon=3 dirty=3 N0=3 kernelpagesize_kB=4
            7f0000010000 bind:0-1 anon=1 dirty=1 N1=1 kernelpagesize_kB=4
            7f0000020000 interleave=relative:0,2 file=/a\\040b

            """
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].nodePolicies = try NodePolicy.parse(Array(text.utf8))
        let finding = try #require(Scanner.scan(snapshot, allow: Allowances()).first)
        #expect(finding.code == .memoryPolicy)
        #expect(finding.object.address == 0x7f00_0001_0000)
        #expect(finding.what == "memory policy bind:0-1 of mapping 7f0000010000 and 1 more")
        #expect(throws: ProcFormatError.self) { try NodePolicy.parse(Array("x default\n".utf8)) }
    }

    /// What a remedy tells the reader to write must be a policy, and must have an effect.
    @Test func `every allowance that the catalogue names is one that this build acts on`() throws {
        for code in FindingCode.allCases {
            guard let remedy = code.entry.remedy, !remedy.hasPrefix("dump:") else { continue }
            let line = remedy.replacing("SIZE", with: "2MiB").replacing("COUNT", with: "70").replacing(
                "MAJOR/MINOR", with: "8/1"
            ).replacing("MOUNTPOINT", with: "/data").replacing("SOURCE", with: "/srv/data")
            let text = "version: 1\nname: x\nselect: [{comm: solver}]\n\(line)\n"
            let policies = try PolicyLoader().load([PolicyFile(name: "x.yaml", bytes: Array(text.utf8))])
            #expect(policies.allSatisfy { $0.unsupportedKeys().isEmpty }, "\(code): \(remedy)")
            // Keys of `allow` are read by the scan; add here what a scan acts on.
            let known = [
                "allow: {ghost-limit: 2MiB}", "max-targets: 70", "allow: {tcp-in-flight: skip}",
                "allow: {ext-unix-sk: [{path: PEER, type: any, on-restore: reconnect}]}",
                "allow: {ext-unix-sk: [{path: PEER, type: any, on-restore: close}]}",
                "allow: {ext-unix-sk: [{type: any, on-restore: close}]}",
                "allow: {link-remap: true}", "allow: {evasive-devices: true}", "allow: {shell-job: true}",
                "allow: {file-locks: owned}", "allow: {file-locks: any}", "allow: {fsnotify: drop}",
                "allow: {ext-pipes: inherit}", "allow: {external: [\"dev[8/1]:NAME\"]}",
                "allow: {ext-mount-map: {/data: /srv/data}}", "allow: {ext-mount-map: auto}",
                "allow: {ext-mount-map: auto, external: [\"mnt[]:m\"]}",
                "allow: {ext-mount-map: auto, external: [\"mnt[]:s\"]}",
                "allow: {external: [\"enable-fs[FILESYSTEM]\"]}",
                "dump: {network-lock: nftables}",
                "allow: {stdio: [{on-restore: inherit}]}",
                "restore: {pidfile: \"/run/{target}.pid\"}",
                "allow: {tcp-established: true}",
            ]
            #expect(known.contains(line), "\(code): \(remedy)")
        }
    }

    @Test func `a process without its session's terminal blocks, whoever leads the session`() {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/dev/ptmx", mode: 0o020666) {
            $0.facts?.represents = DeviceNumber(5, 2)
            $0.info.details = ["tty-index:\t7"]
        }
        var member = snapshot.tasks[0]
        member.pid = PID(101)
        member.parent = PID(100)
        member.descriptors = []
        member.sharing = TaskFacts.Sharing(self: PID(101))
        snapshot.tasks.append(member)
        #expect(codes(snapshot) == [])
        snapshot.tasks[0].terminal = DeviceNumber(136, 7)
        let found = Scanner.scan(snapshot, allow: Allowances())
        #expect(found.map(\.code) == [.terminalMissing] && found.first?.object.pid == PID(101))
        #expect(found.first?.what == "without /dev/pts/7, which its session 100 has")
        snapshot.tasks[1].terminal = DeviceNumber(136, 7)
        #expect(codes(snapshot) == [])
        // A job of a shell that is on a terminal, itself on none.
        var job = ordinarySnapshot()
        job.tasks[0].sid = PID(50)
        job.outsideLeaders = [PID(50): OutsideProcess(pid: PID(50), comm: "bash", isAlive: true)]
        #expect(codes(job) == [.shellJob])
        job.outsideLeaders[PID(50)]?.terminal = DeviceNumber(136, 3)
        #expect(codes(job) == [.shellJob, .terminalMissing])
    }

    @Test func `terminals of two devpts file systems block with both named`() throws {
        var snapshot = ordinarySnapshot()
        for (fd, link) in [(Int32(3), "/dev/ptmx"), (4, "/srv/pts/ptmx")] {
            addFile(&snapshot, fd: fd, link: link, mode: 0o020666, inode: UInt64(fd)) {
                $0.facts?.represents = DeviceNumber(5, 2)
                $0.info.details = ["tty-index:\t0"]
            }
        }
        let found = Scanner.scan(snapshot, allow: Allowances())
        #expect(found.map(\.code) == [.terminalInstances, .terminalInstances])
        let what = found.first?.what ?? ""
        #expect(what.hasSuffix("in a tree with terminals of /dev/pts and /srv/pts"), "\(what)")
        #expect(found.first?.why.contains("Images know a terminal by its number alone") == true)
    }

    @Test func `an owner of signals that cannot be known yet is a warning, and of a frozen tree none`() {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "pipe:[77]", mode: 0o010600, inode: 77, reach: .notAPath) {
            $0.info.flags = 0o20000
        }
        let found = Scanner.scan(snapshot, allow: Allowances())
        #expect(found.map(\.code) == [.signalOwner] && found.first?.severity == .warn)
        snapshot.isFrozen = true
        #expect(codes(snapshot) == [])
    }

    @Test(arguments: [
        (UInt32(1), UInt32(2), true), (4, 0, true), (8, 2, true), (11, 1, true), (11, 0, false),
        (11, 2, false),
        (2, 0, false), (12, 0, false),
    ])
    func `memory devices are carried by their number`(_ minor: UInt32, _ flags: UInt32, _ isCarried: Bool) {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "/dev/x", mode: 0o020666) {
            $0.facts?.represents = DeviceNumber(1, minor)
            $0.info.flags = flags
            $0.info.mount = 0x1d
        }
        #expect(codes(snapshot) == (isCarried ? [] : [.device]))
        if isCarried { return }
        var allow = Allowances()
        let remedy = Scanner.scan(snapshot, allow: allow).first?.remedy
        #expect(remedy == "allow: {external: [\"dev[1/\(minor)]:x\"]}")
        for (name, code) in [("file[1d:2a]", FindingCode.externalFile), ("dev[1/\(minor)]:x", .device)] {
            allow.external = [name]
            let given = Scanner.scan(snapshot, allow: allow)
            #expect(given.map(\.code) == [code] && given.first?.severity == .allowed)
        }
    }

    @Test func `a file that is mapped and open is told once, by its descriptor`() throws {
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 9, link: "/tmp/held", mode: 0o100600, reach: .gone)
        let file = MappedFile(
            id: MappedFileID(rawValue: 0), path: "/tmp/held", device: DeviceNumber(254, 0), inode: 42,
            facts: snapshot.openFiles[0].facts, reach: .gone, pid: PID(100), start: 0x1000, end: 0x2000)
        snapshot.mappedFiles = [file]
        let found = Scanner.scan(snapshot, allow: Allowances())
        #expect(found.map(\.code) == [.nameGone] && found.first?.object.fd == 9)
    }

    @Test func `sessions and groups led from outside block`() {
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].sid = PID(50)
        snapshot.tasks[0].pgid = PID(60)
        snapshot.outsideLeaders = [
            PID(50): OutsideProcess(pid: PID(50), comm: "bash", isAlive: true),
            PID(60): OutsideProcess(pid: PID(60), comm: "", isAlive: false),
        ]
        #expect(codes(snapshot) == [.shellJob])
        snapshot.outsideLeaders[PID(60)]?.survivor = PID(70)
        #expect(codes(snapshot) == [.shellJob, .deadGroupLeader])
    }

    @Test func `a time namespace is ordinary and every other one is not`() {
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].namespaces.time = 9
        snapshot.tasks[0].namespaces.timeForChildren = 9
        #expect(codes(snapshot) == [])
        snapshot.tasks[0].namespaces.mount = 5
        #expect(codes(snapshot) == [.mountNamespace])
    }

    @Test func `areas that no image can hold block at their address`() throws {
        for (flag, code): (AreaFlags, FindingCode) in [
            (.faultsMissing, .userfaultMapping),
            (.pureFrameNumbers, .deviceMapping), (.unknown, .unknownAreaFlag),
        ] {
            var snapshot = ordinarySnapshot()
            snapshot.tasks[0].areas[0].flags = flag
            let finding = try #require(Scanner.scan(snapshot, allow: Allowances()).first)
            #expect(finding.code == code)
            #expect(finding.object.address == 0x7f00_0000_0000)
        }
    }

    @Test func `a System V segment is told by its name even with inode 0`() {
        let row = AreaRow(
            start: 0, end: 4096, protection: 3, isShared: true, offset: 0, device: DeviceNumber(0, 1),
            inode: 0,
            name: "/SYSV00000000 (deleted)", flags: [])
        #expect(AreaKind(row: row, facts: nil, sharedMemoryDevice: DeviceNumber(0, 1)) == .systemV)
    }

    @Test func `memory shared between processes is told from a vfork that is under way`() {
        var snapshot = ordinarySnapshot()
        var child = snapshot.tasks[0]
        child.pid = PID(101)
        child.parent = PID(100)
        child.sharing = .init(self: child.pid)
        child.sharing.memory = PID(100)
        snapshot.tasks.append(child)
        #expect(codes(snapshot) == [.sharedMemorySpace])
        snapshot.tasks[0].threads[0].uninterruptibleIn = "kernel_clone"
        #expect(codes(snapshot) == [.uninterruptible, .vforked])
    }

    @Test func `a working directory on a mount that was taken away and a replaced program block`() {
        var snapshot = ordinarySnapshot()
        var facts = FileFacts(device: DeviceNumber(254, 0), inode: 9, mode: 0o040755)
        facts.links = 2
        snapshot.tasks[0].cwd = FileLink(path: "/tmp/gone", facts: facts, reach: .gone)
        snapshot.tasks[0].exe?.reach = .other
        #expect(codes(snapshot) == [.pathReplaced, .deletedDirectory])
        snapshot.tasks[0].cwd?.facts?.links = 0
        #expect(codes(snapshot) == [.pathReplaced, .ghostFile])
    }

    @Test func `our own tracing is no finding and that of another is`() {
        var snapshot = ordinarySnapshot()
        snapshot.tasks[0].threads[0].status.tracer = 900
        #expect(codes(snapshot) == [])
        snapshot.tasks[0].threads[0].status.tracer = 901
        #expect(codes(snapshot) == [.traced])
    }

    @Test func `each kind has one row and the last takes anything`() {
        #expect(FileTable.rows.map(\.tag).count == Set(FileTable.rows.map(\.tag)).count)
        #expect(Set(FileTable.rows.map(\.tag)) == Set(FileTag.allCases))
        #expect(FileTable.rows.last?.tag == .unknown)
        var snapshot = ordinarySnapshot()
        addFile(&snapshot, fd: 3, link: "something:new", mode: 0, reach: .notAPath)
        #expect(codes(snapshot) == [.unknownFile])
    }

    @Test func `codes are CRP and three digits and say something`() {
        for code in FindingCode.allCases {
            #expect(code.rawValue.wholeMatch(of: /CRP[1-9]\d\d/) != nil)
            #expect(!code.entry.title.isEmpty && code.entry.why.hasSuffix("."))
        }
    }
}
