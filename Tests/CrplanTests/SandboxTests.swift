import TestSupport
import Testing

/// A shell in namespaces of its own, whose root it has pivoted to, with a directory from outside: what a policy maps comes
/// from another place at the restore, and nothing of either is left where it is cut.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct SandboxTests {
    @Test(arguments: [
        "moved", "killed", "killed-dump", "unmapped", "moved-user", "killed-user", "killed-dump-user",
    ])
    func `a pivoted sandbox comes back with its mounts`(_ name: String) throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let run = try Command.run(
            ["/usr/bin/python3", "-c", Self.program, BuiltPrograms.crplan, directory, name], timeout: 120)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// The arguments are crplan, a directory, and what to do.
    private static let program = #"""
        import ctypes, glob, os, signal, subprocess, sys, time

        # What is restored becomes our child, so we see its end.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        crplan, directory, case = sys.argv[1:4]
        # In a user namespace besides, in which no device can be made.
        user = case.endswith("-user")
        case = case.removesuffix("-user")
        null = ": > null; mount --bind /dev/null null" if user else "mknod null c 1 3"
        kinds = ["-mpuinfU", "--map-root-user"] if user else ["-mpuif"]
        os.chdir(directory)
        os.mkdir("data")
        left = []

        cage = f'''
        set -e
        mkdir root; mount --bind root root; cd root
        mkdir usr old proc tmp data
        ln -s usr/bin bin; ln -s usr/lib lib; ln -s usr/lib64 lib64
        mount --bind /usr usr; mount --bind {directory}/data data
        mount -t proc proc proc; mount -t tmpfs -o size=1m t tmp
        {null}
        pivot_root . old; cd /tmp; umount -l /old
        exec < /null > /tmp/out 2>&1
        exec /bin/sh -c 'exec 5>>/data/log; i=0; while :; do i=$((i+1)); echo $i >&5; /bin/sleep 0.02; done'
        '''

        def wait(what):
            end = time.monotonic() + 30
            while not what():
                assert time.monotonic() < end, case
                time.sleep(0.01)

        def lines(place):
            path = place + "/log"
            return open(path).read().split("\n")[:-1] if os.path.exists(path) else []

        def mounts():
            return sorted(line.split(" ", 3)[3] for line in open("/proc/self/mountinfo"))

        def processes():
            found = []
            for path in glob.glob("/proc/[0-9]*/mountinfo"):
                try:
                    if directory + "/root" in open(path).read():
                        found.append(int(path.split("/")[2]))
                except OSError:
                    pass
            return found

        def goes_on(place):
            count = len(lines(place))
            wait(lambda: len(lines(place)) > count + 2)
            got = lines(place)
            assert got == [str(n + 1) for n in range(len(got))], got[-20:]

        def tool(*words, at=None):
            environment = dict(os.environ)
            if at:
                environment["CRPLAN_STOP_AT"] = "=" + at
            return subprocess.Popen(
                [crplan, *words], stdout=open("tool.log", "a"), stderr=subprocess.STDOUT, env=environment)

        def done(*words):
            job = tool(*words)
            assert job.wait() == 0, open("tool.log").read()

        def killed(*words, at):
            job = tool(*words, at=at)
            _, status = os.waitpid(job.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status), (at, status, open("tool.log").read())
            job.kill()
            job.wait()

        before = mounts()
        job = subprocess.Popen(
            ["/usr/bin/unshare", *kinds, "--kill-child=SIGKILL", "/usr/bin/setsid", "/bin/sh", "-c", cage],
            stdin=subprocess.DEVNULL, stdout=open("cage.log", "w"), stderr=subprocess.STDOUT)
        children = f"/proc/{job.pid}/task/{job.pid}/children"
        try:
            wait(lambda: len(lines("data")) > 3 or job.poll() is not None)
            assert job.poll() is None, open("cage.log").read()
            root = open(children).read().split()[0]
            outside = ["--external", "mnt[/data]:DATA", "--external", "mnt[/usr]:USR"]
            maps = {name: open(f"/proc/{root}/{name}").read() for name in ["uid_map", "gid_map", "setgroups"]}
            os.mkdir("images")
            dump = ["dump", "-t", root, "-D", "images", "-o", "dump.log"]
            back = ["restore", "-D", "images", "-d", "--root", directory + "/root",
                    "--external", f"mnt[DATA]:{directory}/data", "--external", "mnt[USR]:/usr"]
            if user:
                outside += ["--external", "mnt[/null]:NULL"]
                back += ["--external", "mnt[NULL]:/dev/null"]

            def is_mapped_as_before():
                for name, text in maps.items():
                    assert open(f"/proc/{root}/{name}").read() == text, name
                owners = [os.readlink(f"/proc/{pid}/ns/user") for pid in (root, "self")]
                assert (owners[0] != owners[1]) == user

            if case == "moved":
                open("pid", "w").write(root)
                open("policy", "w").write(f'''
        version: 1
        name: cage
        select: [{{pidfile: {directory}/pid}}]
        allow: {{ext-mount-map: {{/data: {directory}/other, /usr: /usr, /null: /dev/null}}}}
        dump: {{after: kill}}
        store: {{path: {directory}/store}}
        ''')
                done("apply", "policy")
                wait(lambda: job.poll() is not None)
                os.rename("data", "other")
                name = os.path.relpath(glob.glob("store/cage/*/*T*")[0], "store")
                done("restore", "--store", "store", name, "-d", "--pidfile", directory + "/back")
                root = open("back").read()
                left.append(int(root))
                is_mapped_as_before()
                goes_on("other")
            elif case == "unmapped":
                assert tool(*dump).wait() != 0
                text = open("images/dump.log").read()
                assert "CRP360" in text and "/data" in text, text
                goes_on("data")
            elif case == "killed-dump":
                for at in ["every process was asked", "contents are copied", "images are written"]:
                    killed(*dump, *outside, at=at)
                    goes_on("data")
            else:
                done(*dump, *outside)
                wait(lambda: job.poll() is not None)
                for at in ["the mounts are made", "a process has its files", "all is there"]:
                    killed(*back, at=at)
                    wait(lambda: not processes())
                    assert mounts() == before, (at, mounts())
                assert tool(*back, "--external", f"mnt[DATA]:{directory}/none").wait() != 0
                assert not processes() and mounts() == before
                done(*back, "--pidfile", directory + "/back")
                root = open("back").read()
                left.append(int(root))
                is_mapped_as_before()
                goes_on("data")
        finally:
            job.kill()
            job.wait()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        wait(lambda: not processes())
        assert mounts() == before, mounts()
        """#
}
