/// Python programs of tests that need a terminal: shells on pseudo terminals of their own.
///
/// The arguments are crplan, a directory, and what to do.
enum ShellProgram {
    /// A program whose `main` is given.
    static func text(_ main: String) -> String { prelude + main + epilogue }

    private static let prelude = #"""
        import ctypes, fcntl, json, os, pty, select, shutil, signal, struct, subprocess, sys, termios, time

        crplan, directory, case = sys.argv[1:4]
        images = directory + "/images"
        os.mkdir(images)
        shells, left = [], []

        class Shell:
            def __init__(self, rows, columns):
                self.pid, self.terminal = pty.fork()
                if self.pid == 0:
                    os.closerange(3, 1024)
                    os.environ.update(PS1="ready> ", TERM="xterm", HISTFILE="")
                    os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
                fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                self.seen = b""
                shells.append(self)
                self.expect(b"ready> ")

            def expect(self, text, seconds=15):
                """What came up to the text, which is taken away."""
                end = time.monotonic() + seconds
                while text not in self.seen:
                    if time.monotonic() > end:
                        raise SystemExit(f"{case}: no {text!r} in {self.seen[-600:]!r}")
                    if select.select([self.terminal], [], [], 0.05)[0]:
                        self.seen += os.read(self.terminal, 65536)
                before, self.seen = self.seen.split(text, 1)
                return before

            def type(self, text):
                os.write(self.terminal, text.encode())

            def child(self, name):
                end = time.monotonic() + 15
                while time.monotonic() < end:
                    for pid in filter(str.isdigit, os.listdir("/proc")):
                        try:
                            words = open(f"/proc/{pid}/stat").read()
                        except OSError:
                            continue
                        comm, fields = words[words.index("(") + 1:words.rindex(")")], words[words.rindex(")") + 2:].split()
                        if comm == name and int(fields[1]) == self.pid:
                            left.append(int(pid))
                            return int(pid)
                    time.sleep(0.01)
                raise SystemExit(f"{case}: {name} does not start")

        def resumed(pid):
            """Returns when the process runs, in front on its terminal. A shell drops what was typed before that.

            While it is being made it is in the group of who restores it for a moment, which is in front, too."""
            end = time.monotonic() + 15
            while time.monotonic() < end:
                try:
                    words = open(f"/proc/{pid}/stat").read()
                    fields = words[words.rindex(")") + 2:].split()
                    if fields[2] == fields[5] == str(pid) and "TracerPid:\t0\n" in open(f"/proc/{pid}/status").read():
                        return
                except OSError:
                    pass
                time.sleep(0.01)
            raise SystemExit(f"{case}: {pid} does not get in front; {[shell.seen for shell in shells]}")

        def dump(pid, *options):
            subprocess.run([crplan, "dump", "-t", str(pid), "-D", images, *options], check=True)

        def start(command, name, *options):
            shell = Shell(40, 100)
            shell.type(command + "\n")
            pid = shell.child(name)
            return shell, pid

        def restore(pid):
            shell = Shell(30, 90)
            shell.type(f"{crplan} restore -D {images} -j; echo code=$?\n")
            resumed(pid)
            return shell

        def cat():
            shell, pid = start("cat", "cat")
            shell.type("before\n")
            shell.expect(b"before\r\nbefore\r\n")
            dump(pid, "-j")
            shell.expect(b"Killed")
            return restore(pid), pid


        """#

    /// Ends what the program started.
    private static let epilogue = #"""
        try:
            main()
        finally:
            for pid in left:
                try:
                    words = open(f"/proc/{pid}/cmdline").read()
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            for shell in shells:
                os.kill(shell.pid, signal.SIGKILL)
                os.waitpid(shell.pid, 0)
        """#
}
