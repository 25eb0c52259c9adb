import TestSupport
import Testing

/// Files that lead out of a tree, or have lost their name: what a policy allows, and what a restore makes of it.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct OutsideFilesTests {
    @Test(arguments: [
        "file", "null", "inherit", "ext-null", "ext-inherit", "tty", "pipe", "link", "failed-link",
        "killed-link", "unpublished-link", "published-link", "published-link-kill", "link-twice", "device",
        "pidfiles",
    ])
    func `what leads out of a tree comes back as its rule says`(_ name: String) throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let run = try Command.run(
            ["/usr/bin/python3", "-c", Self.program, BuiltPrograms.crplan, directory, name], timeout: 60)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// The arguments are crplan, a directory, and what to do.
    private static let program = #"""
        import ctypes, glob, os, pty, signal, subprocess, sys, time

        # What is restored becomes our child, so we see its end.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        crplan, directory, case = sys.argv[1:4]
        os.chdir(directory)
        os.mkdir("images")
        left = []

        # Writes a line whenever the file `turn` has grown, and ends with the file `stop`.
        worker = '''
        import os, sys, time
        done = 0
        while not os.path.exists("stop"):
            if os.path.exists("turn") and os.path.getsize("turn") > done:
                done += 1
                os.write(1, b"line %d\\n" % done)
            time.sleep(0.01)
        '''

        def start(program, output, **more):
            job = subprocess.Popen(
                ["/usr/bin/python3", "-c", program], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.DEVNULL, start_new_session=True, **more)
            left.append(job.pid)
            return job

        def turn():
            open("turn", "a").write("x")

        def wait(what, *condition):
            end = time.monotonic() + 15
            while not what():
                assert time.monotonic() < end, (case, condition)
                time.sleep(0.01)

        def gone(pid):
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            return not os.path.exists(f"/proc/{pid}")

        def contents(path):
            return open(path).read() if os.path.exists(path) else ""

        def policy(pids, text, name="rule"):
            rows = ", ".join(f"{{pid: {pid}}}" for pid in pids)
            open(f"{name}.yaml", "w").write(
                f"version: 1\nname: {name}\nselect: [{rows}]\nstore: {{path: {directory}/store}}\n{text}")
            return f"{name}.yaml"

        def crp(*words, code=0, **more):
            answer = subprocess.run([crplan, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
            assert answer.returncode == code, (case, words, answer.returncode, answer.stdout)
            return answer.stdout

        def streams(rule, restore):
            reader, writer = os.pipe()
            job = start(worker, writer)
            os.close(writer)
            turn()
            assert os.read(reader, 100) == b"line 1\n", "the worker does not work"
            assert "CRP109" in crp("plan", policy([job.pid], ""), code=3)
            crp("apply", policy([job.pid], f"allow: {{stdio: [{{kind: pipe, on-restore: \"{rule}\"}}]}}\n"))
            job.wait()
            turn()
            restore()
            return job.pid

        def plumbing(kind):
            if kind == "tty":
                ours, theirs = pty.openpty()
                node = os.fstat(theirs)
                name = f"tty[{node.st_rdev:x}:{node.st_dev:x}]"
            else:
                ours, theirs = os.pipe()
                name = f"pipe:[{os.fstat(theirs).st_ino}]"
            job = start(worker, theirs)
            crp("dump", "-t", str(job.pid), "-D", "images", code=1)
            crp("dump", "-t", str(job.pid), "-D", "images", "--external", name)
            job.wait()
            assert "inherit-fd" in crp("restore", "-D", "images", "-d", code=1)
            ours, theirs = pty.openpty() if kind == "tty" else os.pipe()
            crp("restore", "-D", "images", "-d", "--inherit-fd", f"fd[{theirs}]:{name}", pass_fds=[theirs])
            turn()
            assert os.read(ours, 100).strip() == b"line 1"

        holder = '''
        import os, time
        os.link("held", "other")
        file = os.open("held", os.O_RDONLY)
        os.unlink("held")
        open("ready", "w")
        while not os.path.exists("stop"):
            time.sleep(0.01)
        os.lseek(file, 0, 0)
        open("answer", "w").write(os.read(file, 100).decode())
        '''

        def holding():
            open("held", "w").write("content")
            job = start(holder, subprocess.DEVNULL)
            wait(lambda: os.path.exists("ready"))
            return job

        def names():
            return glob.glob("link_remap.*")

        def children(pid):
            return [int(word) for word in contents(f"/proc/{pid}/task/{pid}/children").split()]

        def stopped(pid):
            # The child that stopped itself; 0 for none.
            return next((child for child in children(pid)
                         if contents(f"/proc/{child}/stat").rpartition(")")[2].split()[:1] == ["T"]), 0)

        def main():
            if case == "file":
                streams(f"file:{directory}/output", lambda: crp("restore", "--store", "store", "rule"))
                wait(lambda: contents("output") == "line 2\n")
            elif case == "null":
                pid = streams("null", lambda: crp("restore", "--store", "store", "rule"))
                assert os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"
            elif case == "inherit":
                def restore():
                    with open("mine", "w") as mine:
                        subprocess.run(
                            [crplan, "restore", "--store", "store", "rule"], stdout=mine, stderr=mine, check=True)
                streams("inherit", restore)
                wait(lambda: "line 2\n" in contents("mine"))
            elif case in ("ext-null", "ext-inherit"):
                reader, writer = os.pipe()
                inode = os.fstat(writer).st_ino
                job = start(worker.replace("os.write(1", f"os.write({writer}"), subprocess.DEVNULL, pass_fds=[writer])
                os.close(writer)
                turn()
                assert os.read(reader, 100) == b"line 1\n"
                assert "CRP108" in crp("plan", policy([job.pid], ""), code=3)
                rule = case[4:]
                given = f"restore: {{inherit-fd: [\"fd[0]:pipe[{inode}]\"]}}\n" if rule == "inherit" else ""
                crp("apply", policy([job.pid], f"allow: {{ext-pipes: {rule}}}\n{given}"))
                job.wait()
                ours, theirs = os.pipe()
                crp("restore", "--store", "store", "rule", stdin=theirs)
                turn()
                if rule == "null":
                    assert os.readlink(f"/proc/{job.pid}/fd/{writer}") == "/dev/null"
                else:
                    assert os.read(ours, 100) == b"line 2\n"
            elif case in ("tty", "pipe"):
                plumbing(case)
            elif case == "link":
                job = holding()
                assert "CRP102" in crp("plan", policy([job.pid], ""), code=3)
                rules = policy(
                    [job.pid], "allow: {link-remap: true}\nretention: {keep-last: 1}\n"
                    "dump: {after: leave-running, filesystem: unsafe-ignore}\n")
                crp("apply", rules)
                assert len(names()) == 1, names()
                first = glob.glob("store/rule/*/2*")[0]
                for _ in range(2):
                    os.kill(job.pid, signal.SIGKILL)
                    wait(lambda: gone(job.pid))
                    crp("restore", first)
                    assert len(names()) == 1, names()
                # A newer one makes the first superfluous; its name goes with it, and the newer one's stays.
                before = names()
                crp("apply", rules)
                assert len(glob.glob("store/rule/*/2*")) == 1
                assert len(names()) == 1 and names() != before, (before, names())
                open("stop", "w")
                wait(lambda: contents("answer") == "content")
            elif case == "failed-link":
                job = holding()
                script = "if [ $CRTOOLS_SCRIPT_ACTION = post-dump ]; then ls link_remap.* > seen; exit 1; fi"
                crp("dump", "-t", str(job.pid), "-D", "images", "--link-remap", "--action-script",
                    f"cd {directory}; {script}", code=1)
                assert contents("seen").startswith("link_remap."), "the dump failed too early"
                wait(lambda: names() == [], names())
                open("stop", "w")
                wait(lambda: contents("answer") == "content")
            elif case == "killed-link":
                job = holding()
                script = "if [ $CRTOOLS_SCRIPT_ACTION = post-dump ]; then ls link_remap.* > seen; kill -9 $PPID; fi"
                crp("dump", "-t", str(job.pid), "-D", "images", "--link-remap", "--action-script",
                    f"cd {directory}; {script}", code=-9)
                assert contents("seen").startswith("link_remap."), "the dumper was killed too early"
                wait(lambda: names() == [], names())
                open("stop", "w")
                wait(lambda: contents("answer") == "content")
            elif case in ("unpublished-link", "published-link", "published-link-kill"):
                job = holding()
                after = "kill" if case.endswith("kill") else "leave-running"
                place = "before publishing" if case.startswith("un") else "after publishing"
                tool = subprocess.Popen(
                    [crplan, "apply", policy([job.pid], "allow: {link-remap: true}\n"
                     f"dump: {{after: {after}, filesystem: unsafe-ignore}}\n")],
                    env={**os.environ, "CRPLAN_STOP_AT": "=" + place}, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
                left.append(tool.pid)
                wait(lambda: stopped(tool.pid), "no stop at", place)
                assert len(names()) == 1, names()
                watchers = children(stopped(tool.pid))
                assert watchers, "no supervisor"
                os.kill(stopped(tool.pid), signal.SIGKILL)
                assert tool.wait() != 0
                # The supervisor ends when it has undone what is to be undone.
                for watcher in watchers:
                    wait(lambda: gone(watcher))
                published = glob.glob("store/rule/*/2*")
                assert os.path.exists(f"/proc/{job.pid}"), "the tree is gone"
                if case == "unpublished-link":
                    assert not published and not names(), (published, names())
                else:
                    assert len(published) == 1 and len(names()) == 1, (published, names())
                    os.kill(job.pid, signal.SIGKILL)
                    wait(lambda: gone(job.pid))
                    crp("restore", published[0])
                open("stop", "w")
                wait(lambda: contents("answer") == "content")
            elif case == "link-twice":
                # Each dump has a name of its own; a restore of plain images takes its name away, as criu's does.
                job = holding()
                os.mkdir("again")
                crp("dump", "-t", str(job.pid), "-D", "images", "--link-remap", "-R")
                first = names()
                crp("dump", "-t", str(job.pid), "-D", "again", "--link-remap", "-R")
                second = [name for name in names() if name not in first]
                assert len(first) == 1 and len(second) == 1, (first, second)
                for images, name in ("again", second), ("images", first):
                    os.kill(job.pid, signal.SIGKILL)
                    wait(lambda: gone(job.pid))
                    crp("restore", "-D", images, "-d")
                    wait(lambda: not os.path.exists(name[0]), names())
                assert names() == [], names()
                os.kill(job.pid, signal.SIGKILL)
                wait(lambda: gone(job.pid))
                assert second[0] in crp("restore", "-D", "again", "-d", code=1)
                assert open("other").read() == "content"
            elif case == "device":
                path = "/dev/cpu_dma_latency"
                if not os.path.exists(path):
                    return
                held = os.open(path, os.O_RDWR)
                def hold():
                    return start(worker, subprocess.DEVNULL, pass_fds=[held])
                # As it is suggested: opened anew.
                job = hold()
                plan = crp("plan", policy([job.pid], ""), code=3)
                assert "CRP501" in plan and path in plan and f"pid {job.pid} fd {held}" in plan, plan
                suggested = crp("suggest", str(job.pid))
                name = suggested.split('- "')[1].split('"')[0]
                assert f'external: ["{name}"]' in " ".join(plan.split()), (plan, suggested)
                rules = policy([job.pid], suggested)
                crp("plan", rules)
                crp("apply", rules)
                job.wait()
                crp("restore", "--store", "store", "rule")
                assert os.readlink(f"/proc/{job.pid}/fd/{held}") == path
                # Handed over.
                other = hold()
                mount = [line.split()[1] for line in open(f"/proc/self/fdinfo/{held}") if line.startswith("mnt_id")][0]
                name = f"file[{int(mount):x}:{os.fstat(held).st_ino:x}]"
                crp("apply", policy([other.pid], f'allow: {{external: ["{name}"]}}\n', "given"))
                other.wait()
                refused = crp("restore", "--store", "store", "given", code=1)
                assert f"--inherit-fd fd[N]:{name}" in refused, refused
                assert not os.path.exists(f"/proc/{other.pid}"), "half of it was restored"
                anew = os.open(path, os.O_RDWR)
                crp("restore", "--store", "store", "given", "--inherit-fd", f"fd[{anew}]:{name}", pass_fds=[anew])
                assert os.readlink(f"/proc/{other.pid}/fd/{held}") == path
            elif case == "pidfiles":
                jobs = [start(worker, subprocess.DEVNULL) for _ in range(2)]
                pids = [job.pid for job in jobs]
                assert "CRP812" in crp("plan", policy(pids, f"restore: {{pidfile: {directory}/root.pid}}\n"), code=3)
                rules = policy(pids, "restore: {pidfile: \"" + directory + "/{pid}.pid\", log-pid: true}\n")
                crp("apply", rules)
                for job in jobs:
                    job.wait()
                open(f"{pids[0]}.pid", "w").write("old")
                for checkpoint in glob.glob("store/rule/*/2*"):
                    crp("restore", checkpoint)
                    assert glob.glob(checkpoint + "/restore.log.*"), os.listdir(checkpoint)
                    crp("verify", "--store", "store")
                for pid in pids:
                    assert contents(f"{pid}.pid") == f"{pid}\n", contents(f"{pid}.pid")

        try:
            main()
        finally:
            open("stop", "w")
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (OSError, ChildProcessError):
                    pass
        """#
}
