import FoundationEssentials
import Glibc
import PolicyModel
import Testing

@testable import CREngine

/// Mounts between us and a stock criu: each makes again what the other has dumped.
@Suite(.serialized, .enabled(if: getenv("CRPLAN_CRIU") != nil, "CRPLAN_CRIU names no criu"))
struct StockMountTests {
    private static let script = """
        mount -t tmpfs -o size=2m,mode=1777 t /tmp; echo x > /tmp/file; chown 12:34 /tmp/file; ln -s file /tmp/link
        mkdir /run/1 /run/2 /run/3 /run/4 /pts /q /sys
        mount --bind /tmp /run/1; mount --make-shared /run/1
        mount --bind /run/1 /run/2
        mount --bind /run/2 /run/3; mount --make-slave /run/3; mount --make-shared /run/3
        mount -t tmpfs -o nosuid,noexec a /run/4; echo under > /run/4/under
        mount -t tmpfs -o ro b /run/4
        mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /pts
        mount -t mqueue mq /q
        mount -t sysfs -o ro,noatime sysfs /sys
        """

    private func allow() -> MountAllowances {
        var allow = MountAllowances()
        allow.external["/data"] = .init(key: "DATA", source: nil)
        allow.external["/usr"] = .init(key: "USR", source: nil)
        return allow
    }

    private func run(_ command: String) throws -> Int32 {
        let words: [String] = ["/bin/sh", "-c", command]
        let arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        try #require(posix_spawn(&child, "/bin/sh", nil, nil, arguments, environ) == 0)
        var status: Int32 = 0
        waitpid(child, &status, 0)
        return status
    }

    @Test func `each makes again what the other has dumped`() throws {
        let criu = try #require(getenv("CRPLAN_CRIU").map { String(cString: $0) })
        let sandbox = try Sandbox(Self.script)
        try sandbox.ready()
        let rows = try sandbox.rows()
        let wanted = MountShape.of(rows)
        let place = sandbox.directory
        // The program goes on, in the root that nothing has changed.
        let dumped = try run(
            "mkdir \(place)/images && \(criu) dump -t \(sandbox.pid) -R -D \(place)/images -o dump.log -v4 "
                + "--external 'mnt[/data]:DATA' --external 'mnt[/usr]:USR'")
        let log = (try? String(contentsOfFile: place + "/images/dump.log", encoding: .utf8)) ?? ""
        try #require(dumped == 0, "\(log.suffix(2000))")

        let images = try OwnedFD.open(place + "/images", O_RDONLY | O_DIRECTORY)
        let names = try FileManager.default.contentsOfDirectory(atPath: place + "/images")
        let name = try #require(names.first { $0.hasPrefix("mountpoints-") })
        let number = try #require(UInt32(name.dropFirst("mountpoints-".count).dropLast(".img".count)))
        let theirs = try MountNamespaceImage.read(namespace: number, in: images, .twoWords)
        let survey = try MountSurvey(try sandbox.facts(), allow())
        let ours = try survey.image()
        #expect(ours.mounts.sorted { $0.id < $1.id } == theirs.mounts.sorted { $0.id < $1.id })

        var outside = MountPlan.Outside(root: place + "/root")
        outside.sources = ["DATA": place + "/source", "USR": "/usr"]
        let stub = try MountStub()
        try MountBuilder.build(
            try MountPlan(theirs, outside), in: stub.thread, lender: stub.lender, userNamespace: nil,
            contents: Archives(directory: images.rawValue).open)
        #expect(MountShape.of(try stub.rows()) == wanted)
        let under = try stub.text("/tmp/file")
        #expect(under == "x\n")

        try ours.write(namespace: number, to: images)
        try MountContents.write(survey, to: images)
        _ = kill(sandbox.pid.rawValue, SIGKILL)
        var status: Int32 = 0
        _ = waitpid(sandbox.pid.rawValue, &status, 0)
        let restored = try run(
            """
            unshare --mount sh -c 'mount --bind \(place)/root \(place)/root && \(criu) restore -d -D \(place)/images \
            -o restore.log -v4 --pidfile \(place)/pid --root \(place)/root --external "mnt[DATA]:\(place)/source" \
            --external "mnt[USR]:/usr"'
            """)
        let said = (try? String(contentsOfFile: place + "/images/restore.log", encoding: .utf8)) ?? ""
        try #require(restored == 0, "\(said.suffix(2000))")
        defer { _ = kill(sandbox.pid.rawValue, SIGKILL) }
        #expect(MountShape.of(try Sandbox.rows("/proc/\(sandbox.pid)/mountinfo")) == wanted)
        var file = stat()
        #expect(stat("/proc/\(sandbox.pid)/root/tmp/file", &file) == 0)
        #expect(file.st_uid == 12 && file.st_gid == 34 && file.st_size == 2)
    }
}
