import TestSupport
import Testing

/// Jobs of a shell: dumped out of one terminal, restored on another, and on none.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct ShellJobTests {
    @Test(arguments: ["cat", "stop", "interrupt", "modes", "vim", "top", "policy", "no-terminal", "script"])
    func `a shell job goes from terminal to terminal`(_ name: String) throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let run = try Command.run(
            ["/usr/bin/python3", "-c", ShellProgram.text(Self.cases), BuiltPrograms.crplan, directory, name],
            timeout: 60)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// What is done by name; see `ShellProgram`.
    private static let cases = #"""
        def main():
            if case == "cat":
                shell, pid = cat()
                shell.type("after\n")
                shell.expect(b"after\r\nafter\r\n")
                assert os.readlink(f"/proc/{pid}/fd/0") == os.readlink(f"/proc/{shell.pid}/fd/0")
                shell.type("\x04")
                shell.expect(b"code=0")
            elif case == "stop":
                shell, pid = cat()
                shell.type("one\n")
                shell.expect(b"one\r\none\r\n")
                shell.type("\x1a")
                shell.expect(b"Stopped")
                shell.expect(b"ready> ")
                shell.type("echo alive\n")
                shell.expect(b"\ralive\r\n")
                shell.type("fg\n")
                resumed(pid)
                shell.type("two\n")
                shell.expect(b"two\r\ntwo\r\n")
                shell.type("\x04")
                shell.expect(b"ready> ")
            elif case == "interrupt":
                shell, pid = cat()
                shell.type("one\n")
                shell.expect(b"one\r\none\r\n")
                shell.type("\x03")
                shell.expect(b"code=130")
            elif case == "modes":
                shell, pid = start("sh -c 'stty -echo; read line; echo got:$line'", "sh")
                end = time.monotonic() + 10
                while os.path.exists(f"/proc/{pid}/task/{pid}/children") and (
                        termios.tcgetattr(shell.terminal)[3] & (termios.ECHO | termios.ICANON) != termios.ICANON):
                    assert time.monotonic() < end, "stty does not end"
                    time.sleep(0.01)
                dump(pid, "-j")
                shell.expect(b"Killed")
                shell = restore(pid)
                assert not termios.tcgetattr(shell.terminal)[3] & termios.ECHO, "the job's modes were not set"
                shell.expect(b"code=$?")
                shell.type("word\n")
                assert b"word" not in shell.expect(b"got:word"), "echo is on"
                shell.expect(b"code=0")
                shell.expect(b"ready> ")
                shell.type("stty -a\n")
                assert b" -echo " not in shell.expect(b"ready> "), "the shell's modes are gone"
            elif case == "vim":
                path = directory + "/text"
                open(path, "w").write("alpha\nbeta\n")
                shell, pid = start(f"vim -u NONE -n {path}", "vim")
                shell.expect(b"beta")
                dump(pid, "-j")
                shell.expect(b"Killed")
                shell = restore(pid)
                shell.expect(b"beta")
                shell.type("ggdd:wq\r")
                shell.expect(b"code=0")
                assert open(path).read() == "beta\n", open(path).read()
            elif case == "top":
                shell, pid = start("top -d 0.2", "top")
                shell.expect(b"load average")
                dump(pid, "-j")
                shell.expect(b"Killed")
                shell = restore(pid)
                shell.expect(b"load average")
                shell.expect(b"load average")
                shell.type("q")
                shell.expect(b"code=0")
            elif case == "policy":
                shell, pid = start("cat", "cat")
                policy = directory + "/policy.yaml"
                def write(allow):
                    open(policy, "w").write(
                        f"version: 1\nname: job\nselect: [{{pid: {pid}}}]\nstore: {{path: {directory}/store}}\n{allow}")
                write("")
                plan = subprocess.run([crplan, "plan", policy], stdout=subprocess.PIPE, text=True)
                assert plan.returncode == 3, plan.stdout
                # The session, its terminal, and the descriptors, each by whose it is and by the key.
                terminal = os.readlink(f"/proc/{pid}/fd/0")
                for part in [f"CRP401 session {shell.pid} of bash[{shell.pid}]", f"CRP405 controlling terminal {terminal}",
                             f"CRP109 stdin on terminal {terminal}", f"pid {pid} fd 0", "allow: {shell-job: true}"]:
                    assert part in " ".join(plan.stdout.split()), (part, plan.stdout)
                write("allow: {shell-job: true}\nrestore: {pidfile: \"" + directory + "/{target}.pid\"}\n")
                subprocess.run([crplan, "apply", policy], check=True)
                shell.expect(b"Killed")
                shell = Shell(30, 90)
                shell.type(f"{crplan} restore --store {directory}/store job/cat; echo code=$?\n")
                resumed(pid)
                shell.type("after\n")
                shell.expect(b"after\r\nafter\r\n")
                written = [name for name in os.listdir(directory) if name.endswith(".pid")]
                assert len(written) == 1 and open(f"{directory}/{written[0]}").read() == f"{pid}\n", written
                shell.type("\x04")
                shell.expect(b"code=0")
            elif case == "no-terminal":
                shell, pid = start("cat", "cat")
                refusal = subprocess.run([crplan, "dump", "-t", str(pid), "-D", images], stderr=subprocess.PIPE, text=True)
                assert refusal.returncode == 1 and "shell-job" in refusal.stderr, refusal
                dump(pid, "-j")
                shell.expect(b"Killed")
                for options in [], ["-j"]:
                    words = [crplan, "restore", "-D", images, "-d", *options]
                    refusal = subprocess.run(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                    assert refusal.returncode == 1 and "on the terminal that the tree is to have" in refusal.stderr, refusal
                    assert not os.path.exists(f"/proc/{pid}"), "half of it was restored"
            elif case == "script":
                # Its child is on a pair of which script has the master.
                log = directory + "/typescript"
                count = "exec python3 -u -c 'import time; [(print(f\"line {i}\"), time.sleep(0.01)) for i in range(1, 301)]'"
                job = subprocess.Popen(
                    ["script", "-q", "-f", "-c", count, log], start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                left.append(job.pid)
                def lines():
                    return open(log).read().split("\n") if os.path.exists(log) else []
                def await_lines(wanted):
                    end = time.monotonic() + 30
                    while not any(line.startswith(wanted) for line in lines()):
                        assert time.monotonic() < end, lines()[-5:]
                        time.sleep(0.01)
                await_lines("line 50")
                ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
                dump(job.pid)
                # Its child too, whose parent went first.
                try:
                    while True:
                        os.waitpid(-1, 0)
                except ChildProcessError:
                    pass
                subprocess.run([crplan, "restore", "-D", images, "-d"], check=True)
                await_lines("line 300")
                found = [line.strip() for line in lines() if line.startswith("line ")]
                assert found == [f"line {i}" for i in range(1, 301)], found
            print("done")

        """#
}
