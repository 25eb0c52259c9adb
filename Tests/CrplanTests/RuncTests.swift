import Glibc
import TestSupport
import Testing

/// Containers of runc, which calls us as its `criu`: with an HTTP server behind a veth and a bridge, asked before and after.
///
/// runc leaves the network to its hooks, at a restore as at the start.
@Suite(
    .serialized,
    .enabled(
        if: RuncContainer.canRun, "needs root, runc, busybox, and a host on which runc starts a container"))
struct RuncTests {
    /// `given` has its network namespace by a path.
    @Test(arguments: ["cycle", "running", "given"])
    func `a container is taken and brought back`(_ name: String) throws {
        try pass(name, dump: BuiltPrograms.crplan, restore: BuiltPrograms.crplan)
    }

    @Test(
        .enabled(if: RuncContainer.stock != nil, "CRPLAN_CRIU names no stock criu (scripts/get-criu)"),
        arguments: [true, false], ["cycle", "given"])
    func `what runc takes by one criu it brings back by the other`(_ isOursFirst: Bool, _ name: String) throws
    {
        let (ours, stock) = (BuiltPrograms.crplan, RuncContainer.stock ?? "")
        try pass(name, dump: isOursFirst ? ours : stock, restore: isOursFirst ? stock : ours)
    }

    private func pass(_ name: String, dump: String, restore: String) throws {
        let run = try RuncContainer.run(name, dump, restore)
        #expect(run.ending == .exit(0), "\(run.output)")
    }
}

/// A counting busybox in a container, taken and brought back as a case says.
private enum RuncContainer {
    static let stock = getenv("CRPLAN_CRIU").map { String(cString: $0) }
    /// Whether runc starts and ends one here.
    static let canRun: Bool =
        BuiltPrograms.canCheckpoint && access("/usr/sbin/runc", X_OK) == 0
        && ((try? run("none", "", ""))?.ending == .exit(0))

    static func run(_ name: String, _ dump: String, _ restore: String) throws -> Command {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        return try Command.run(
            ["/usr/bin/python3", "-c", script, directory, name, dump, restore], timeout: 120)
    }

    /// The arguments are a directory, what to do, and the criu of either half.
    private static let script = #"""
        import ctypes, json, os, shutil, subprocess, sys, time, urllib.request

        # What runc leaves behind becomes our child, so we see its end. The bridge is in a network namespace of our own.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        assert ctypes.CDLL(None).unshare(0x40000000) == 0
        directory, case, dumper, restorer = sys.argv[1:5]
        os.chdir(directory)
        name = "crplan-" + os.path.basename(directory)
        for path in ["rootfs/bin", "rootfs/proc", "rootfs/sys", "rootfs/dev", "rootfs/tmp", "rootfs/www"]:
            os.makedirs(path)
        shutil.copy("/usr/bin/busybox", "rootfs/bin/busybox")
        for applet in ["sh", "sleep", "httpd"]:
            os.symlink("busybox", "rootfs/bin/" + applet)
        open("rootfs/www/page", "w").write("served\n")

        def runc(*words, criu=None, may_fail=False):
            environment = dict(os.environ)
            if criu:
                os.makedirs("path", exist_ok=True)
                with open("path/criu", "w") as out:
                    ours = "criu " if os.path.basename(criu) == "crplan" else ""
                    out.write(f'#!/bin/sh\nexec {criu} {ours}"$@"\n')
                os.chmod("path/criu", 0o755)
                environment["PATH"] = directory + "/path:" + environment["PATH"]
            detached = words[0] in ("run", "restore")
            with open("said", "w+") as said:
                # A container keeps what it is started with, which is to be of no interest.
                done = subprocess.run(["runc", "--root", directory + "/state", "--log", directory + "/log", *words],
                                      stdin=subprocess.DEVNULL, env=environment,
                                      stdout=subprocess.DEVNULL if detached else said,
                                      stderr=subprocess.DEVNULL if detached else said)
                said.seek(0)
                text = said.read()
            if done.returncode and not may_fail:
                log = "".join(open(path).read() for path in ["log", "work/dump.log", "work/restore.log"] if os.path.exists(path))
                raise SystemExit(f"{case}: runc {' '.join(words)}: exit {done.returncode}\n{text}{log[-3000:]}")
            return text

        def wait(what, why):
            end = time.monotonic() + 30
            while not what():
                assert time.monotonic() < end, why
                time.sleep(0.01)

        def count():
            try:
                return int(open("rootfs/tmp/count").read() or 0)
            except FileNotFoundError:
                return 0

        def pid():
            return json.loads(runc("state", name))["pid"]

        def reap(gone):
            def is_gone():
                try:
                    while os.waitpid(-1, os.WNOHANG)[0]: pass
                except ChildProcessError:
                    pass
                return not os.path.exists(f"/proc/{gone}")
            wait(is_gone, f"{gone} does not end")

        def ask():
            with urllib.request.urlopen("http://10.77.0.2/page", timeout=20) as page:
                assert page.read() == b"served\n"

        runc("spec")
        config = json.load(open("config.json"))
        config["process"]["terminal"] = False
        config["root"]["readonly"] = False
        loop = "i=0; while :; do i=$((i+1)); echo $i > /tmp/next; /bin/busybox mv /tmp/next /tmp/count; sleep 0.02; done"
        config["process"]["args"] = ["/bin/sh", "-c", "httpd -p 80 -h /www; " + loop]
        with open("hook", "w") as out:
            out.write('''#!/bin/sh -e
                pid=$(sed -n "s/.*.pid.: *\\([0-9]*\\).*/\\1/p")
                ip link add outer type veth peer name eth0 netns "$pid"
                ip link set outer master bridge up
                nsenter -t "$pid" -n ip addr add 10.77.0.2/24 dev eth0
                nsenter -t "$pid" -n ip link set eth0 up
                ''')
        os.chmod("hook", 0o755)
        holder = None
        if case != "given":
            config["hooks"] = {"prestart": [{"path": directory + "/hook"}]}
        subprocess.run("ip link set lo up && ip link add bridge type bridge && ip addr add 10.77.0.1/24 dev bridge && ip link set bridge up",
                       shell=True, check=True)
        if case == "given":
            holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec sleep 600"], stdout=subprocess.PIPE)
            holder.stdout.readline()
            subprocess.run([directory + "/hook"], input=json.dumps({"pid": holder.pid}) + "\n", text=True, check=True)
            network = next(row for row in config["linux"]["namespaces"] if row["type"] == "network")
            network["path"] = f"/proc/{holder.pid}/ns/net"
        json.dump(config, open("config.json", "w"))
        try:
            runc("run", "-d", name)
            wait(lambda: count() > 2, "the container does not count")
            ask()
            if case != "none":
                images = ["--image-path", directory + "/images", "--work-path", directory + "/work"]
                first = pid()
                before = count()
                if case == "running":
                    runc("checkpoint", "--leave-running", *images, name, criu=dumper)
                    now = count()
                    wait(lambda: count() > now, "the container does not go on")
                    ask()
                    runc("kill", name, "KILL")
                    reap(first)
                    runc("delete", "-f", name)
                else:
                    runc("checkpoint", *images, name, criu=dumper)
                    reap(first)
                stood = count()
                runc("restore", "-d", *images, name, criu=restorer)
                wait(lambda: count() > stood or before < count() < stood, "the container does not count on")
                assert count() > before, "it began anew"
                ask()
            last = pid()
            if holder:
                inode = os.stat(f"/proc/{holder.pid}/ns/net").st_ino
                assert os.stat(f"/proc/{last}/ns/net").st_ino == inode, "it is in another network"
                rules = subprocess.check_output(["nsenter", "-t", str(holder.pid), "-n", "nft", "list", "ruleset"])
                assert b"drop" not in rules and b"CRIU" not in rules, rules
            runc("kill", name, "KILL")
            reap(last)
        finally:
            if holder:
                holder.kill()
                holder.wait()
            runc("delete", "-f", name, may_fail=True)
            for hierarchy in os.listdir("/sys/fs/cgroup"):
                try:
                    os.rmdir(f"/sys/fs/cgroup/{hierarchy}/{name}")
                except OSError:
                    pass
        assert directory not in open("/proc/self/mountinfo").read(), "a mount is left"
        """#
}
