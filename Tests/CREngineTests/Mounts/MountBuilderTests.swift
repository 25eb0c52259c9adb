import CPlatform
import FoundationEssentials
import Glibc
import PolicyModel
import Testing

@testable import CREngine

/// Namespaces that are real: their image and contents are taken, and made again in a stub.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct MountBuilderTests {
    /// An extended attribute; nil where it is not there.
    private static func attribute(_ name: String, _ path: String) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: 16)
        let count = value.withUnsafeMutableBytes { value in
            name.withCString { name in
                path.withCString {
                    cp_syscall(
                        CP_SYS_lgetxattr, Int(bitPattern: $0), Int(bitPattern: name),
                        Int(bitPattern: value.baseAddress), 16, 0, 0)
                }
            }
        }
        return count < 0 ? nil : Array(value[..<count])
    }

    private func allow() -> MountAllowances {
        var allow = MountAllowances()
        allow.external["/data"] = .init(key: "DATA", source: nil)
        allow.external["/usr"] = .init(key: "USR", source: nil)
        return allow
    }

    /// Takes the image of a sandbox and makes it again; `check` looks at both.
    private func remake(
        _ script: String, check: (Sandbox, MountStub) throws -> Void
    ) throws {
        let before = try Sandbox.rows("/proc/self/mountinfo")
        let sandbox = try Sandbox(script)
        try sandbox.ready()
        let rows = try sandbox.rows()
        let survey = try MountSurvey(try sandbox.facts(), allow())
        #expect(MountRules.findings(survey.facts, allow()).filter { $0.severity == .block } == [])
        let directory = try TemporaryDirectory()
        let images = try directory.open()
        try survey.image().write(namespace: 5, to: images)
        try MountContents.write(survey, to: images)
        // Nothing in the namespace has changed.
        #expect(try sandbox.rows() == rows)

        let image = try MountNamespaceImage.read(namespace: 5, in: images, .twoWords)
        var outside = MountPlan.Outside(root: sandbox.directory + "/root")
        try FileManager.default.createDirectory(
            atPath: sandbox.directory + "/other", withIntermediateDirectories: false)
        _ = FileManager.default.createFile(
            atPath: sandbox.directory + "/other/file", contents: Data("other".utf8))
        outside.sources = ["DATA": sandbox.directory + "/other", "USR": "/usr"]
        let stub = try MountStub()
        try MountBuilder.build(
            try MountPlan(image, outside), in: stub.thread, lender: stub.lender, userNamespace: nil,
            contents: Archives(directory: images.rawValue).open)
        let made = MountShape.of(try stub.rows())
        let wanted = MountShape.of(rows)
        #expect(made.filter { !wanted.contains($0) } == wanted.filter { !made.contains($0) })
        #expect(made.count == wanted.count)
        // Only the lender's is left.
        let left = try ProcDirectory.open("/proc/\(stub.thread.tid)").numbers("fd")
        #expect(left == [stub.lender.number])
        try check(sandbox, stub)
        #expect(try Sandbox.rows("/proc/self/mountinfo") == before)
    }

    @Test func `a root with what it shows from outside, whose source is another now`() throws {
        try remake("") { sandbox, stub in
            let text1 = try stub.text("/data/file")
            #expect(text1 == "other")
            #expect(access(stub.path("/usr/bin/tar"), X_OK) == 0)
            #expect(access(stub.path("/etc/passwd"), F_OK) != 0)
        }
    }

    @Test func `files in memory come back with owners, modes, times, links, attributes and holes`() throws {
        let script = """
            mount -t tmpfs -o size=2m,mode=1777,nr_inodes=500 name /tmp
            echo content > /tmp/file; chown 123:456 /tmp/file; chmod 4751 /tmp/file; touch -d @1000000000.25 /tmp/file
            ln /tmp/file /tmp/hard; ln -s nowhere /tmp/link; mkfifo /tmp/fifo; mknod /tmp/null c 1 3
            truncate -s 1M /tmp/hole; mkdir -m 700 "/tmp/a b"; echo x > "/tmp/a b/c*[d"
            python3 -c 'import os; os.setxattr("/tmp/file", "trusted.t", b"v"); os.setxattr("/tmp/file", "user.u", b"w")' || true
            """
        try remake(script) { sandbox, stub in
            var (old, new) = (stat(), stat())
            for name in ["", "/file", "/fifo", "/null", "/hole", "/a b", "/a b/c*[d"] {
                #expect(lstat("/proc/\(sandbox.pid)/root/tmp" + name, &old) == 0)
                #expect(lstat(stub.path("/tmp" + name), &new) == 0, "\(name)")
                #expect(new.st_mode == old.st_mode && new.st_uid == old.st_uid && new.st_gid == old.st_gid)
                #expect(new.st_rdev == old.st_rdev && new.st_nlink == old.st_nlink, "\(name)")
                #expect(new.st_blocks == old.st_blocks && new.st_size == old.st_size, "\(name)")
                #expect(
                    new.st_mtim.tv_sec == old.st_mtim.tv_sec && new.st_mtim.tv_nsec == old.st_mtim.tv_nsec,
                    "\(name)")
            }
            let text2 = try stub.text("/tmp/file")
            #expect(text2 == "content\n")
            for name in ["trusted.t", "user.u"] {
                #expect(
                    Self.attribute(name, stub.path("/tmp/file"))
                        == Self.attribute(name, "/proc/\(sandbox.pid)/root/tmp/file"))
            }
        }
    }

    @Test func `files under other mounts are taken along, and mounts that cover mounts come back`() throws {
        let script = """
            mount -t tmpfs one /run
            mkdir -p /run/a/sub; echo under > /run/a/under
            mount -t tmpfs deep /run/a/sub; echo deep > /run/a/sub/file
            mount -t tmpfs over /run/a; echo over > /run/a/file
            mount -t tmpfs top /run/a; echo top > /run/a/top
            mount -t tmpfs all /tmp; echo hidden > /tmp/hidden; mkdir /tmp/x
            mount -t tmpfs two /tmp/x; echo two > /tmp/x/two
            mount -t tmpfs -o ro last /tmp
            """
        try remake(script) { _, stub in
            let text3 = try stub.text("/run/a/top")
            #expect(text3 == "top\n")
            // Layer by layer, in a copy.
            let copy = try Process.run(
                """
                umount /tmp && cat /tmp/hidden /tmp/x/two && umount /run/a && cat /run/a/file && umount /run/a \
                && cat /run/a/under /run/a/sub/file
                """, in: stub)
            #expect(copy == "hidden\ntwo\nover\nunder\ndeep\n")
        }
    }

    @Test func `peers, slaves and slaves that are peers share as before`() throws {
        let script = """
            mount -t tmpfs t /tmp; mkdir /tmp/p /tmp/q /tmp/p/in
            mkdir /run/1 /run/2 /run/3 /run/4 /run/5 /run/6
            mount --bind /tmp /run/1; mount --make-shared /run/1
            mount --bind /run/1 /run/2
            mount --bind /run/1 /run/3; mount --make-slave /run/3
            mount --bind /run/3 /run/4; mount --make-shared /run/4
            mount --bind /run/1/p /run/5
            mount --bind /run/4/q /run/6
            mkdir /run/7 /run/8; mount --bind /tmp/p/in /run/7; mount --make-unbindable /run/7
            mount -t proc -o nosuid,nodev,noexec,hidepid=2 proc /run/8
            mount --make-shared /
            """
        try remake(script) { _, stub in
            // What is mounted in one appears in its peer and its slaves.
            let seen = try Process.run(
                """
                mount -t tmpfs new /run/1/p && touch /run/1/p/f && ls /run/2/p /run/3/p /run/4/p /tmp/p
                """, in: stub)
            #expect(seen == "/run/2/p:\nf\n\n/run/3/p:\nf\n\n/run/4/p:\nf\n\n/tmp/p:\nin\n")
        }
    }

    @Test func `peers of which none shows all share as before`() throws {
        let script = """
            mount -t tmpfs t /tmp; mkdir /tmp/a /tmp/b /run/a /run/b /run/c
            mount --bind /tmp /run/c; mount --make-shared /run/c
            mount --bind /run/c/a /run/a; mount --bind /run/c/b /run/b
            umount /run/c
            """
        try remake(script) { _, _ in }
    }

    @Test func `file systems of the kernel are mounted anew`() throws {
        let script = """
            mkdir /s /d /c /sys /q; mount -t sysfs -o ro,noatime sys /sys
            mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /d
            mount -t mqueue mq /q
            mount -t tmpfs -o nosuid,strictatime,mode=755 dev /s; touch /s/null; mount --bind /usr/bin/true /s/null
            mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys
            mount -t tmpfs -o ro masked /proc/acpi
            """
        try remake(script) { _, stub in
            #expect(access(stub.path("/d/ptmx"), F_OK) == 0)
            #expect(access(stub.path("/s/null"), X_OK) == 0)
        }
    }

    @Test func `a mount point that is not there is named`() throws {
        let sandbox = try Sandbox("mkdir /there; mount -t tmpfs t /there")
        try sandbox.ready()
        let survey = try MountSurvey(try sandbox.facts(), allow())
        let directory = try TemporaryDirectory()
        let images = try directory.open()
        try MountContents.write(survey, to: images)
        var outside = MountPlan.Outside(root: sandbox.directory + "/source")
        outside.sources = ["DATA": "/tmp", "USR": "/usr"]
        let stub = try MountStub()
        let error = try #require(throws: RestoreError.self) {
            try MountBuilder.build(
                try MountPlan(try survey.image(), outside), in: stub.thread, lender: stub.lender,
                userNamespace: nil, contents: Archives(directory: images.rawValue).open)
        }
        #expect(error.description.contains("its mount point is not there"))
    }
}

/// A shell command in a copy of the stub's namespace.
private enum Process {
    static func run(_ command: String, in stub: MountStub) throws -> String {
        let output = "/tmp/crplan-mounts-output-\(getpid())"
        defer { unlink(output) }
        let words = [
            "/bin/sh", "-c",
            "exec nsenter --mount --root --target \(stub.thread.tid) unshare --mount --propagation unchanged "
                + "/bin/sh -c '\(command)' > \(output) 2>&1",
        ]
        let arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        try #require(posix_spawn(&child, words[0], nil, nil, arguments, environ) == 0)
        var status: Int32 = 0
        waitpid(child, &status, 0)
        return try String(contentsOfFile: output, encoding: .utf8)
    }
}
