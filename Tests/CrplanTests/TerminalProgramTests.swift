import Glibc
import TestSupport
import Testing

/// Programs that people work with on terminals: in tmux, behind a pair as sshd has it, under a debugger.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct TerminalProgramTests {
    @Test(arguments: ["vim", "vim-elsewhere", "top", "pair", "traced", "debugged"])
    func `what runs on a terminal goes on there`(_ name: String) throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let run = try Command.run(
            ["/usr/bin/python3", "-c", ShellProgram.text(Self.cases), BuiltPrograms.crplan, directory, name],
            timeout: 90)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    private static let cases = #"""
        # What is dumped and restored in between becomes our child, so that its ids are free at once.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        os.chdir(directory)

        def wait(what, *condition):
            end = time.monotonic() + 20
            while not what():
                assert time.monotonic() < end, (case, [text() if callable(text) else text for text in condition])
                time.sleep(0.02)

        def reap():
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass

        def policy(pid, allow):
            open("policy.yaml", "w").write(
                f"version: 1\nname: work\nselect: [{{pid: {pid}}}]\nstore: {{path: {directory}/store}}\nallow: {allow}\n")
            return "policy.yaml"

        def crp(*words, code=0):
            answer = subprocess.run([crplan, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert answer.returncode == code, (case, words, answer.returncode, answer.stdout)
            return answer.stdout

        class Tmux:
            """A server of its own, with one session of 100 columns and 30 lines."""
            def __init__(self):
                self.call("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "-s", "main", *self.shell)
                self.server = int(self.call("display-message", "-p", "#{pid}"))

            shell = ["env", "PS1=ready> ", "TERM=screen", "HISTFILE=", "bash", "--norc", "--noprofile", "-i"]

            def call(self, *words):
                return subprocess.run(
                    ["tmux", "-S", directory + "/tmux", *words], check=True, stdout=subprocess.PIPE, text=True).stdout

            def open(self, columns, lines):
                """Another shell, in a window of this size."""
                self.call("new-session", "-d", "-x", str(columns), "-y", str(lines), "-s", "other", *self.shell)

            def keys(self, pane, *keys):
                self.call("send-keys", "-t", pane, *keys)

            def screen(self, pane):
                return self.call("capture-pane", "-p", "-t", pane)

            def shows(self, pane, text):
                wait(lambda: text in self.screen(pane), text, lambda: self.screen(pane))

            def child(self, pane, name):
                shell = int(self.call("display-message", "-p", "-t", pane, "#{pane_pid}"))
                def found():
                    for pid in open(f"/proc/{shell}/task/{shell}/children").read().split():
                        if open(f"/proc/{pid}/comm").read() == name + "\n":
                            return int(pid)
                wait(found, name)
                return found()

            def close(self):
                self.call("kill-server")
                wait(lambda: not os.path.exists(f"/proc/{self.server}") or reap(), "tmux ends")

        def editing(tmux, elsewhere):
            open("text", "w").write("".join(f"line {i}\n" for i in range(1, 200)))
            tmux.shows("main", "ready>")
            tmux.keys("main", "vim -u NONE -N -n text", "Enter")
            tmux.shows("main", "line 20")
            # What is in the buffer and in no file: an unfinished insertion on line 42.
            tmux.keys("main", "42G", "I", "not written yet: ")
            tmux.shows("main", "not written yet: line 42")
            tmux.shows("main", "-- INSERT --")
            before = tmux.screen("main")
            pid = tmux.child("main", "vim")
            assert "CRP401" in crp("plan", policy(pid, "{}"), code=3)
            crp("apply", policy(pid, "{shell-job: true}"))
            tmux.shows("main", "Killed")
            pane = "main"
            if elsewhere:
                tmux.open(80, 20)
                pane = "other"
                tmux.shows(pane, "ready>")
            tmux.keys(pane, f"{crplan} restore --store {directory}/store work/vim", "Enter")
            resumed(pid)
            if elsewhere:
                # Told of another size, it draws by itself.
                tmux.shows(pane, "not written yet: line 42")
            else:
                # Still amid the insertion: one command, then on with it.
                tmux.keys(pane, "C-o", ":redraw!", "Enter")
                wait(lambda: tmux.screen(pane) == before, before, lambda: tmux.screen(pane))
            tmux.keys(pane, "more, ", "Escape", ":wq", "Enter")
            wait(lambda: "line 42" in open("text").read() and "more, " in open("text").read(), lambda: tmux.screen(pane))
            lines = open("text").read().split("\n")
            assert lines[41] == "not written yet: more, line 42" and len(lines) == 200, lines[40:43]
            wait(lambda: not os.path.exists(f"/proc/{pid}"), "vim ends")

        def watching(tmux):
            tmux.shows("main", "ready>")
            tmux.keys("main", "top -d 0.2", "Enter")
            tmux.shows("main", "load average")
            pid = tmux.child("main", "top")
            crp("apply", policy(pid, "{shell-job: true}"))
            tmux.shows("main", "Killed")
            tmux.keys("main", f"clear; {crplan} restore --store {directory}/store work/top", "Enter")
            resumed(pid)
            tmux.shows("main", "load average")
            # It takes keys, and goes on drawing.
            tmux.keys("main", "1")
            first = tmux.screen("main").split("\n")[0]
            wait(lambda: tmux.screen("main").split("\n")[0] != first, first)
            tmux.keys("main", "q")
            wait(lambda: not os.path.exists(f"/proc/{pid}"), "top ends")

        # As sshd has it: a process with the master, a login shell on the slave, and a job of that shell. What comes from afar is
        # here a file that grows.
        master = '''
        import os, pty, select, time
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(PS1="remote> ", TERM="xterm", HISTFILE="")
            os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
        done = 0
        while True:
            if select.select([terminal], [], [], 0.01)[0]:
                try:
                    data = os.read(terminal, 65536)
                except OSError:
                    break
                open("out", "ab").write(data)
            typed = open("in", "rb").read()[done:]
            if typed:
                done += os.write(terminal, typed)
        open("end", "w").write(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        '''

        def paired():
            open("in", "w")
            job = subprocess.Popen(
                ["/usr/bin/python3", "-c", master], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True)
            left.append(job.pid)
            def out():
                return open("out", newline="").read() if os.path.exists("out") else ""
            def type(text):
                open("in", "a").write(text)
            def expect(text):
                wait(lambda: text in out(), text, out)
            expect("remote> ")
            def children(pid):
                return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]
            type("word=kept\nsleep 1000 &\ncat\n")
            # The shell drops what is typed before a program is in front.
            shell = children(job.pid)[0]
            def in_front():
                for pid in children(shell):
                    words = open(f"/proc/{pid}/stat").read()
                    fields = words[words.rindex(")") + 2:].split()
                    if open(f"/proc/{pid}/comm").read() == "cat\n" and fields[2] == fields[5]:
                        return True
            wait(in_front, out)
            type("before\n")
            expect("before\r\nbefore\r\n")
            crp("apply", policy(job.pid, "{}"))
            wait(lambda: reap() or not os.path.exists(f"/proc/{job.pid}"), "the tree ends")
            crp("restore", "--store", "store", "work")
            type("after\n")
            expect("after\r\nafter\r\n")
            # From the terminal to the group in front, and only to that.
            type("\x03")
            wait(lambda: out().endswith("remote> "), out)
            type("echo $word $(jobs -r | wc -l)\n")
            expect("kept 1\r\n")
            type("kill %1; exit 7\n")
            wait(lambda: os.path.exists("end") and open("end").read() == "7", out)

        # A tracer and what it traces, as gdbserver and strace have it; the tracer in the tree, or beside it.
        traced = '''
        import ctypes, os, signal, sys, time
        libc = ctypes.CDLL(None)
        pid = os.fork()
        if pid == 0:
            libc.ptrace(0, 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            while True:
                time.sleep(0.01)
        os.waitpid(pid, 0)
        libc.ptrace(7, pid, 0, 0)
        open("traced", "w").write(str(pid))
        while True:
            end = os.waitpid(pid, 0)[1]
            if os.WIFSTOPPED(end):
                libc.ptrace(7, pid, 0, os.WSTOPSIG(end))
            else:
                break
        '''

        def debugged(is_beside):
            job = subprocess.Popen(
                ["/usr/bin/python3", "-c", traced], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True)
            left.append(job.pid)
            wait(lambda: os.path.exists("traced") and open("traced").read(), "the tracer starts")
            child = int(open("traced").read())
            left.append(child)
            root = child if is_beside else job.pid
            plan = crp("plan", policy(root, "{}"), code=3)
            assert "CRP602" in plan and f"traced by {job.pid}" in plan and f"pid {child}" in plan, plan
            assert "detach the debugger" in plan, plan
            crp("apply", policy(root, "{}"), code=3)
            status = open(f"/proc/{child}/status").read()
            assert f"TracerPid:\t{job.pid}\n" in status, status
            # What the finding says helps.
            os.kill(job.pid, signal.SIGKILL)
            job.wait()
            if is_beside:
                wait(lambda: "TracerPid:\t0\n" in open(f"/proc/{child}/status").read(), "the tracer is gone")
                plan = crp("plan", policy(root, "{shell-job: true}"))
                assert "CRP602" not in plan and "1 ready" in plan, plan

        def main():
            if case in ("vim", "vim-elsewhere", "top"):
                tmux = Tmux()
                try:
                    watching(tmux) if case == "top" else editing(tmux, case == "vim-elsewhere")
                finally:
                    tmux.close()
            elif case == "pair":
                paired()
            else:
                debugged(case == "debugged")

        """#
}
