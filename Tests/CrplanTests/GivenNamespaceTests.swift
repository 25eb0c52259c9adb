import Glibc
import TestSupport
import Testing

/// Trees that are put into namespaces which are there already.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has dump and restore"))
struct GivenNamespaceTests {
    /// A server outside, and a tree that keeps a socket on its own loopback: in the image is none of the network.
    @Test(arguments: [true, false])
    func `a network namespace that is external is handed in`(_ isByPolicy: Bool) throws {
        let run = try python(
            #"""
            import socket
            holder = hold("net")
            tree = start(holder, "net", "/usr/bin/python3", "-uc", """
            import os, socket, time
            server = socket.socket()
            server.bind(('127.0.0.1', 7707))
            server.listen()
            client = socket.create_connection(('127.0.0.1', 7707))
            other = server.accept()[0]
            client.send(b'before')
            print('ready')
            while not os.path.exists('go'): time.sleep(0.02)
            assert other.recv(10) == b'before'
            late = socket.create_connection(('127.0.0.1', 7707))
            print('net', os.stat('/proc/self/ns/net').st_ino)
            """)
            inode = os.stat(f"/proc/{holder.pid}/ns/net").st_ino
            external = f"net[{inode}]:outside"
            if by_policy:
                open("p.yaml", "w").write(f'version: 1\nname: p\nselect: [{{pid: {tree}}}]\nstore: {{path: "{os.getcwd()}/store"}}\n'
                                          f'dump: {{after: kill}}\nallow: {{tcp-established: true, external: ["{external}"]}}\n')
                plan = crplan("plan", "p.yaml")
                assert f"network namespace {inode}, given to a restore as outside" in plan, plan
                crplan("apply", "p.yaml")
                target = [f"{os.getcwd()}/store/p/{name}/latest" for name in os.listdir("store/p") if os.path.isdir(f"store/p/{name}")]
                images = target[0] + "/images"
            else:
                crplan("dump", "-t", tree, "-D", "images", "--tcp-established", "--external", external)
                target, images = ["-D", "images", "-d"], "images"
            gone(tree)
            assert any(name.startswith("netns-") for name in os.listdir(images))
            assert not any(name.startswith(("netdev-", "ifaddr-")) for name in os.listdir(images)), os.listdir(images)
            assert "was not given; restore with --inherit-fd fd[N]:outside" in crplan("restore", *target, fails=True)
            fd = os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY)
            wrong = os.open(f"/proc/{holder.pid}/ns/uts", os.O_RDONLY)
            assert f"descriptor {wrong}: is to be a network namespace" in crplan("restore", *target, "--inherit-fd", f"fd[{wrong}]:outside", fds=[wrong], fails=True)
            crplan("restore", *target, "--inherit-fd", f"fd[{fd}]:outside", fds=[fd])
            finish(tree)
            assert f"net {inode}\n" in open("out").read(), open("out").read()
            assert inside(holder, "nft", "list", "tables") == "", "a lock is left"
            """#, isByPolicy ? "policy" : "options")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// The root of the tree has no right to enter a namespace that another user namespace owns.
    @Test func `a tree in a user namespace is given namespaces of others`() throws {
        let run = try python(
            #"""
            holder = hold("net", "uts", "ipc")
            inside(holder, "hostname", "given")
            text = """
            import os, socket, time
            server = socket.socket()
            server.bind(('127.0.0.1', 7708))
            server.listen()
            print('ready')
            while not os.path.exists('go'): time.sleep(0.02)
            socket.create_connection(('127.0.0.1', 7708))
            for kind in 'net', 'uts', 'ipc': print(kind, os.stat('/proc/self/ns/' + kind).st_ino)
            print(socket.gethostname(), open('/proc/self/uid_map').read().split())
            """
            mapped = ["/usr/bin/unshare", "--user", "--map-root-user", "/usr/bin/python3", "-uc", text]
            def finished(tree, *kinds):
                finish(tree)
                said = open("out").read()
                for kind in kinds: assert f"{kind} {os.stat(f'/proc/{holder.pid}/ns/{kind}').st_ino}\n" in said, said
                assert "['0', '0', '1']" in said, said
                os.remove("go"); os.remove("out")
                return said

            # What the dump left outside.
            tree = start(holder, "net", *mapped)
            inode = os.stat(f"/proc/{holder.pid}/ns/net").st_ino
            refused = crplan("dump", "-t", tree, "-D", "images", fails=True)
            assert f"network namespace {inode}, which user namespace" in refused, refused
            crplan("dump", "-t", tree, "-D", "images", "--external", f"net[{inode}]:outside")
            gone(tree)
            fd = os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY)
            crplan("restore", "-D", "images", "-d", "--inherit-fd", f"fd[{fd}]:outside", fds=[fd])
            assert os.stat(f"/proc/{tree}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino
            finished(tree, "net")

            # What it never had.
            tree = start(None, None, *mapped)
            crplan("dump", "-t", tree, "-D", "full")
            gone(tree)
            clocks = hold("time", "--monotonic=1000000", "--fork", "--kill-child")
            late = crplan("restore", "-D", "full", "-d", "-J", f"time:/proc/{child(clocks)}/ns/time", fails=True)
            assert "time namespace: of others cannot be given to a tree in a user namespace of its own" in late, late
            words = [word for kind in ("net", "uts", "ipc") for word in ("--join-ns", f"{kind}:{holder.pid}")]
            crplan("restore", "-D", "full", "-d", *words)
            said = finished(tree, "net", "uts", "ipc")
            assert "given" in said, said
            """#, "mapped")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// As that of a pod, whose init is no process of the tree.
    @Test func `a pid namespace that is external is handed in`() throws {
        let run = try python(
            #"""
            pod = child(hold("pid", "--fork", "--kill-child"))
            entering = start(None, None, "/usr/bin/nsenter", "-t", str(pod), "--pid", "/usr/bin/python3", "-uc", textwrap.dedent("""
            import os, time
            os.setsid()
            child = os.fork()
            if child: print('ready')
            while not os.path.exists('go'): time.sleep(0.02)
            if child: os.waitpid(child, 0)
            print('numbers', os.getpid(), os.getppid() if not child else child)
            """))
            tree = int(open(f"/proc/{entering}/task/{entering}/children").read())
            inner = open(f"/proc/{tree}/status").read().split("NSpid:")[1].split()[1]
            inode = os.stat(f"/proc/{pod}/ns/pid").st_ino
            assert "of which it is not the init" in crplan("dump", "-t", tree, "-D", "images", fails=True)
            crplan("dump", "-t", tree, "-D", "images", "--external", f"pid[{inode}]:pod")
            gone(tree)
            assert "restore with --inherit-fd fd[N]:pod" in crplan("restore", "-D", "images", fails=True)
            fd = os.open(f"/proc/{pod}/ns/pid", os.O_RDONLY)
            given = ["--inherit-fd", f"fd[{fd}]:pod", "-D", "images", "--pidfile"]
            crplan("restore", "-d", *given, directory + "/pid", fds=[fd])
            again = crplan("restore", "-d", *given, directory + "/other", fds=[fd], fails=True)
            assert f"task {inner}: cannot be made with its old id" in again, again
            root = int(open("pid").read())
            assert os.stat(f"/proc/{root}/ns/pid").st_ino == inode
            assert f"NSpid:\t{root}\t{inner}\n" in open(f"/proc/{root}/status").read()
            finish(root)
            assert open("out").read().count(f"numbers") == 2 and f"numbers {inner} " in open("out").read()
            assert os.path.exists(f"/proc/{pod}"), "the pod has gone"
            """#, "pid")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// A session of the pod's numbers can only be made by its leader.
    @Test func `a session in an external pid namespace whose leader has ended blocks`() throws {
        let run = try python(
            #"""
            pod = child(hold("pid", "--fork", "--kill-child"))
            entering = start(None, None, "/usr/bin/nsenter", "-t", str(pod), "--pid", "/usr/bin/python3", "-uc", textwrap.dedent("""
            import os, time
            os.setsid()
            leader = os.getpid()
            if os.fork(): os._exit(0)
            while os.getppid() == leader: time.sleep(0.01)
            print('session', leader)
            print('ready')
            while not os.path.exists('go'): time.sleep(0.02)
            print('done')
            """))
            gone(entering)
            tree, = [pid for pid in open(f"/proc/{pod}/task/{pod}/children").read().split() if "python3" in open(f"/proc/{pid}/cmdline").read()]
            number = open("out").read().split()[1]
            inode = os.stat(f"/proc/{pod}/ns/pid").st_ino
            refused = crplan("dump", "-t", tree, "-D", "images", "--external", f"pid[{inode}]:pod", fails=True)
            assert f"CRP417 session {number} of the pid namespace that is given, whose leader has ended" in refused, refused
            open("p.yaml", "w").write(f'version: 1\nname: p\nselect: [{{pid: {tree}}}]\nstore: {{path: "{os.getcwd()}/store"}}\n'
                                      f'dump: {{after: kill}}\nallow: {{shell-job: true, external: ["pid[{inode}]:pod"]}}\n')
            plan = crplan("plan", "p.yaml", fails=True)
            assert "CRP417" in plan, plan
            open("go", "w").close()
            await_that(lambda: "done" in open("out").read(), "it does not run on")
            """#, "session")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// The image has none of these namespaces: the tree lived in those of the host.
    @Test func `a tree of the host joins namespaces of others`() throws {
        let run = try python(
            #"""
            holder = hold("net", "uts", "ipc")
            clocks = hold("time", "--monotonic=1000000", "--fork", "--kill-child")
            inside(holder, "hostname", "given")
            tree = start(None, None, "/usr/bin/python3", "-uc", """
            import os, socket, time
            name = b'\\0crplan-given-' + str(os.getpid()).encode()
            server = socket.socket(socket.AF_UNIX)
            server.bind(name)
            server.listen()
            print('ready')
            while not os.path.exists('go'): time.sleep(0.02)
            socket.socket(socket.AF_UNIX).connect(name)
            for kind in 'net', 'uts', 'ipc', 'time': print(kind, os.stat('/proc/self/ns/' + kind).st_ino)
            print(socket.gethostname(), int(time.clock_gettime(time.CLOCK_MONOTONIC)) > 1000000)
            """)
            crplan("dump", "-t", tree, "-D", "images")
            gone(tree)
            # The name is somebody's here, and free there.
            import socket
            taker = socket.socket(socket.AF_UNIX)
            taker.bind(f"\0crplan-given-{tree}")
            assert "is the name of another socket now" in crplan("restore", "-D", "images", fails=True)
            words = [word for kind in ("net", "uts", "ipc") for word in ("--join-ns", f"{kind}:{holder.pid}")]
            inner = child(clocks)
            wrong = crplan("restore", "-D", "images", "-d", "-J", f"net:/proc/{inner}/ns/time", fails=True)
            assert "is to be a network namespace and is none" in wrong, wrong
            crplan("restore", "-D", "images", "-d", *words, "-J", f"time:/proc/{inner}/ns/time")
            finish(tree)
            said = open("out").read()
            for kind in "net", "uts", "ipc":
                assert f"{kind} " + str(os.stat(f"/proc/{holder.pid}/ns/{kind}").st_ino) in said, said
            assert "time " + str(os.stat(f"/proc/{inner}/ns/time").st_ino) in said, said
            assert "given True" in said, said
            """#, "join")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// Its paths lead there as they do for whoever is there.
    @Test func `a tree of the host joins a mount namespace of others`() throws {
        let run = try python(
            #"""
            os.mkdir("data")
            for name in "kept", "other": open(f"data/{name}", "w").write("abc")
            holder = hold("mount")
            def there(script): subprocess.run(["nsenter", "-t", str(holder.pid), "-m", "sh", "-ec", script], cwd="/", check=True)
            there(f"mount -t tmpfs there {directory}/data; printf abc > {directory}/data/kept; chmod 644 {directory}/data/kept")
            source = """
            import os, time
            file = open('data/NAME', 'a+')
            gone = open('data/gone', 'w+')
            gone.write('of a ghost')
            gone.flush()
            os.unlink('data/gone')
            print('ready')
            while not os.path.exists('go'): time.sleep(0.02)
            file.write('def')
            file.flush()
            gone.seek(0)
            assert gone.read() == 'of a ghost'
            print('mnt', os.stat('/proc/self/ns/mnt').st_ino, os.fstat(file.fileno()).st_dev == os.stat('data').st_dev == os.fstat(gone.fileno()).st_dev)
            """
            tree = start(None, None, "/usr/bin/python3", "-uc", source.replace("NAME", "other"))
            crplan("dump", "-t", tree, "-D", "full")
            gone(tree)
            refused = crplan("restore", "-D", "full", "-d", "--join-ns", f"mnt:{holder.pid}", fails=True)
            assert "data/other: cannot be found" in refused, refused
            os.remove("out")
            tree = start(None, None, "/usr/bin/python3", "-uc", source.replace("NAME", "kept"))
            crplan("dump", "-t", tree, "-D", "images")
            gone(tree)
            crplan("restore", "-D", "images", "-d", "--join-ns", f"mnt:{holder.pid}")
            finish(tree)
            inode = os.stat(f"/proc/{holder.pid}/ns/mnt").st_ino
            assert f"mnt {inode} True" in open("out").read(), open("out").read()
            assert open("data/kept").read() == "abc"
            there(f"test $(cat {directory}/data/kept) = abcdef")
            """#, "mounts")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// The image's ids are those of the namespace then, as with criu.
    @Test func `a tree of the host joins a user namespace of others`() throws {
        let run = try python(
            #"""
            os.chmod(".", 0o755)
            def mapped(*rest):
                process = hold("user", *rest)
                for name in "uid_map", "gid_map": open(f"/proc/{process.pid}/{name}", "w").write("0 100000 2000\n")
                return process
            holder = mapped("net")
            def begin(user):
                if os.path.exists("out"): os.remove("out")
                return start(None, None, "/usr/bin/python3", "-uc", f"""
                import os, time
                os.setgroups([7])
                os.setresgid({user}, {user}, {user})
                os.setresuid({user}, {user}, {user})
                child = os.fork()
                if child: print('ready')
                while not os.path.exists('go'): time.sleep(0.02)
                if child:
                    assert os.waitpid(child, 0)[1] == 0
                    for kind in 'user', 'net': print(kind, os.stat('/proc/self/ns/' + kind).st_ino)
                assert os.getresuid() == ({user},) * 3 and os.getresgid() == ({user},) * 3 and os.getgroups() == [7]
                """)
            tree = begin(5000)
            crplan("dump", "-t", tree, "-D", "full")
            gone(tree)
            refused = crplan("restore", "-D", "full", "-d", "--join-ns", f"user:{holder.pid}", fails=True)
            assert "has user 5000, which its user namespace does not have" in refused, refused
            tree = begin(1000)
            crplan("dump", "-t", tree, "-D", "images")
            gone(tree)
            join = ["restore", "-D", "images", "-d", "--join-ns"]
            for text, why in (f"user:{os.getpid()}", "this process's own"), (f"user:/proc/{holder.pid}/ns/net", "it is none"), \
                    (f"user:{holder.pid},0,3000", "has no user 0 or no group 3000"), (f"user:{holder.pid},0", "user:PID,UID,GID"), \
                    (f"pid:{holder.pid}", "--external pid[INODE]:NAME"):
                refused = crplan(*join, text, fails=True)
                assert why in " ".join(refused.split()), refused
            crplan(*join, f"user:{holder.pid},0,0", "--join-ns", f"net:{holder.pid}")
            status = open(f"/proc/{tree}/status").read()
            assert "Uid:\t101000\t101000\t101000\t101000" in status and "Groups:\t100007" in status, status
            finish(tree)
            for kind in "user", "net":
                assert f"{kind} " + str(os.stat(f"/proc/{holder.pid}/ns/{kind}").st_ino) in open("out").read(), open("out").read()
            """#, "user")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// Flags of a dump and of a restore; see EmptyNetwork of criu.
    @Test func `a network namespace is dumped and made empty`() throws {
        let run = try python(
            #"""
            holder = None
            tree = start(None, "net", "/usr/bin/python3", "-uc", """
            import os, subprocess, time
            subprocess.run('ip link set lo up; ip link add spare type bridge; ip addr add 10.8.8.8/24 dev spare', shell=True, check=True)
            print('ready')
            while not os.path.exists('go'): time.sleep(0.02)
            print(subprocess.check_output(['ip', '-o', 'link'], text=True).count('\\n'), 'links')
            """)
            crplan("dump", "-t", tree, "-D", "images", "-R", "--empty-ns", "net")
            assert not any(name.startswith("ifaddr-") and os.path.getsize("images/" + name) > 4 for name in os.listdir("images"))
            crplan("dump", "-t", tree, "-D", "full")
            gone(tree)
            # Whole images, and the restore makes none of it.
            crplan("restore", "-D", "full", "-d", "--empty-ns", "net")
            finish(tree)
            assert "1 links" in open("out").read(), open("out").read()
            os.remove("go")
            crplan("restore", "-D", "images", "-d", "--empty-ns", "net", "--pidfile", "again")
            finish(tree)
            assert open("out").read().endswith("1 links\n"), open("out").read()
            """#, "empty")
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// A program that has a directory, and helpers for trees in it; what it starts ends with it.
    private func python(_ script: String, _ name: String) throws -> Command {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let helpers = #"""
            import ctypes, os, signal, subprocess, sys, textwrap, time
            tool, directory, by_policy = sys.argv[1], sys.argv[2], sys.argv[3] == "policy"
            os.chdir(directory)
            os.mkdir("images"); os.mkdir("full")
            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
            started = []

            def await_that(what, why):
                end = time.monotonic() + 30
                while not what():
                    assert time.monotonic() < end, why
                    time.sleep(0.01)

            def child(process):
                def look(): return open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
                await_that(look, "no child")
                return int(look()[0])

            # Somebody who keeps namespaces of these kinds.
            def hold(*kinds):
                words = ["unshare"] + [kind if kind.startswith("-") else "--" + kind for kind in kinds]
                # An init is to reap.
                stay = "sleep 600 & wait" if "pid" in kinds else "exec sleep 600"
                process = subprocess.Popen(words + ["sh", "-c", "ip link set lo up; echo; " + stay], stdout=subprocess.PIPE)
                started.append(process.pid)
                process.stdout.readline()
                return process

            def inside(process, *words):
                return subprocess.check_output(["nsenter", "-t", str(process.pid), "-n", "-u", "-i", *words], text=True)

            # A tree in a namespace of somebody, or in one of its own, or in ours. Its root is our child.
            def start(holder, kind, *words):
                enter = ["nsenter", "-t", str(holder.pid), "--" + kind] if holder else ["unshare", "--" + kind] if kind else []
                words = [*words[:-1], textwrap.dedent(words[-1])]
                out = os.open("out", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
                process = subprocess.Popen([*enter, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
                os.close(out)
                started.append(process.pid)
                await_that(lambda: "ready\n" in open("out").read(), "it does not get ready: " + open("out").read())
                return process.pid

            def crplan(command, *words, fails=False, fds=()):
                done = subprocess.run([tool, command, *map(str, words)], text=True, capture_output=True, pass_fds=fds)
                text = done.stdout + done.stderr
                assert (done.returncode != 0) == fails, f"{command} {words}: exit {done.returncode}\n{text}"
                return text

            def reaped(pid):
                try:
                    while os.waitpid(-1, os.WNOHANG)[0]: pass
                except ChildProcessError: pass
                return not os.path.exists(f"/proc/{pid}")

            def gone(pid): await_that(lambda: reaped(pid), f"{pid} does not end")

            def finish(pid):
                assert os.path.exists(f"/proc/{pid}"), "it is not there: " + open("out").read()
                open("go", "w").close()
                gone(pid)

            try:
            """#
        let end = #"""
            finally:
                for pid in started:
                    try: os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError: pass
            """#
        let body = script.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }
            .joined(separator: "\n")
        try write(helpers + "\n" + body + "\n" + end, to: directory + "/program.py")
        return try Command.run(
            ["/usr/bin/python3", directory + "/program.py", BuiltPrograms.crplan, directory, name],
            timeout: 120)
    }
}
