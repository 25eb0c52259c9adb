import CREngine
import Glibc
import TestSupport
import Testing

/// Devices that are external, in CRIU's spelling, by options and by a policy; and what --external does not take.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct ExternalDeviceTests {
    /// Holds the kernel's log by a node of its own, and tells what it reads there.
    private func start(_ load: inout Workload) throws {
        try #require(mknod(load.place + "/log-device", S_IFCHR | 0o600, dev_t(1 << 8 | 11)) == 0)
        let program = """
            import os, time
            fd = os.open("log-device", os.O_RDONLY | os.O_NONBLOCK)
            open("ready", "w").close()
            while not os.path.exists("check"): time.sleep(0.01)
            try: text = os.read(fd, 8192)
            except OSError as error: text = error.strerror.encode()
            with open("told.new", "w") as out:
                out.write(f"{os.readlink(f'/proc/self/fd/{fd}')} {os.get_blocking(fd)} {text.count(b',') > 1}")
            os.rename("told.new", "told")
            """
        try load.start(["/usr/bin/python3", "-c", program])
        let place = load.place
        let isReady = load.await { text(of: place + "/ready") != nil }
        try #require(isReady)
    }

    private func told(_ load: borrowing Workload) throws -> String {
        try write("", to: load.place + "/check")
        let place = load.place
        _ = load.await { text(of: place + "/told") != nil }
        return load.contents("told")
    }

    private func crplan(_ words: [String]) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    @Test func `a policy calls a device external, and a restore opens it again`() throws {
        var load = try Workload()
        try start(&load)
        let file = try load.writePolicy("device", pids: [load.root])
        let denied = try crplan(["plan", file])
        #expect(denied.ending == .exit(3))
        let text = denied.output.split { $0 == "\n" || $0 == " " }.joined(separator: " ")
        #expect(text.contains("CRP501 character device 1:11"), "\(denied.output)")
        #expect(text.contains("allow: {external: [\"dev[1/11]:log-device\"]}"), "\(denied.output)")
        try write((TestSupport.text(of: file) ?? "") + "allow: {external: [\"dev[1/11]:log\"]}\n", to: file)
        let applied = try crplan(["apply", file])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        let isGone = reap([load.root], until: now() + 20)
        try #require(isGone)
        let restored = try load.restore("device")
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try told(load) == "\(load.place)/log-device False True")
    }

    @Test func `a device that is another by now is told, and --external names the one to take`() throws {
        var load = try Workload()
        try start(&load)
        let images = load.directory + "/images"
        mkdir(images, 0o700)
        let words = ["dump", "-t", "\(load.root)", "-D", images]
        #expect(try crplan(words).ending == .exit(1))
        let dumped = try crplan(words + ["--external", "dev[1/11]:log"])
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
        let isGone = reap([load.root], until: now() + 20)
        try #require(isGone)
        let path = load.place + "/log-device"
        unlink(path)
        let missing = try crplan(["restore", "-D", images, "-d"])
        #expect(missing.ending == .exit(1))
        #expect(
            missing.output.contains(
                "\(path): device 1:11 is not there any more: No such file or directory (ENOENT); "
                    + "restore with --external dev[log]:PATH"), "\(missing.output)")
        mknod(path, S_IFCHR | 0o600, dev_t(1 << 8 | 3))
        let other = try crplan(["restore", "-D", images, "-d"])
        #expect(other.ending == .exit(1))
        #expect(other.output.contains("\(path): was device 1:11 and is device 1:3 now"), "\(other.output)")
        let unknown = try crplan(["restore", "-D", images, "-d", "--external", "dev[lag]:/dev/kmsg"])
        #expect(unknown.ending == .exit(1))
        #expect(unknown.output.contains("nothing in the image is dev[lag]"), "\(unknown.output)")
        let restored = try crplan(["restore", "-D", images, "-d", "--external", "dev[log]:/dev/kmsg"])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try told(load) == "/dev/kmsg False True")
    }

    @Test(arguments: [
        (["dump", "-t", "1", "-D", "/tmp"], "mnt[data]:data", "is to be mnt[/MOUNTPOINT]:KEY"),
        (["dump", "-t", "1", "-D", "/tmp"], "net[/x]:out", "is to be net[INODE]:NAME"),
        (["dump", "-t", "1", "-D", "/tmp"], "veth[]", "is to be veth[INNER] or veth[INNER]:OUTER"),
        (["restore", "-D", "/tmp"], "veth[eth0]", "is to be veth[INNER]:OUTER"),
        (["dump", "-t", "1", "-D", "/tmp"], "dev[8:1]:data", "is to be dev[MAJOR/MINOR]:NAME"),
        (["dump", "-t", "1", "-D", "/tmp"], "disk[8/1]", "is none of criu's spellings"),
        (["restore", "-D", "/tmp"], "net[4026531840]:out", "is for a dump"),
        (["restore", "-D", "/tmp"], "tty[1:2]", "is neither mnt[KEY]:PATH nor dev[NAME]:PATH; all else"),
    ])
    func `what is not of a host is refused by name`(_ words: [String], _ text: String, _ says: String) throws
    {
        let refused = try crplan(words + ["--external", text])
        #expect(refused.ending == .exit(64))
        #expect(refused.output.contains("--external \(text) \(says)"), "\(refused.output)")
    }

    @Test func `what is no spelling makes a policy invalid`() throws {
        var load = try Workload()
        try load.start(["/bin/sleep", "98771"])
        let file = try load.writePolicy("spelling", pids: [load.root])
        let rest = text(of: file) ?? ""
        try write(rest + "allow: {external: [\"dev[8:1]:data\"]}\n", to: file)
        let invalid = try crplan(["validate", file])
        #expect(invalid.ending == .exit(78))
        #expect(invalid.output.contains("is to be dev[MAJOR/MINOR]:NAME"), "\(invalid.output)")
    }
}
