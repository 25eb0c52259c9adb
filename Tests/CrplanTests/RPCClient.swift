/// A client of criu's RPC, in Python.
enum RPCClient {
    /// The arguments are what is called `criu`, a directory, what to do, and whose criu it is.
    static let program = #"""
        import ctypes, os, signal, socket, struct, subprocess, sys, time

        # What is restored becomes our child, so that its id is free again when it has ended.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        criu, directory, case, whose = sys.argv[1:5]
        os.chdir(directory)
        os.mkdir("images")
        images = os.open("images", os.O_DIRECTORY)
        left = []

        # The wire format: a field's number and kind, then a varint or bytes.
        def varint(value):
            value &= (1 << 64) - 1
            text = b""
            while value > 127:
                text += bytes([value & 127 | 128])
                value >>= 7
            return text + bytes([value])

        def message(*fields):
            text = b""
            for number, value in fields:
                if isinstance(value, str):
                    value = value.encode()
                if isinstance(value, bytes):
                    text += varint(number << 3 | 2) + varint(len(value)) + value
                else:
                    text += varint(number << 3) + varint(int(value))
            return text

        def fields(text):
            found, place = {}, 0
            def read():
                nonlocal place
                value = shift = 0
                while True:
                    byte = text[place]
                    place += 1
                    value |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        return value
            while place < len(text):
                head = read()
                if head & 7 == 0:
                    value = read()
                    value -= (value >> 63) << 64
                else:
                    assert head & 7 == 2, text
                    length = read()
                    value = text[place:place + length]
                    place += length
                found[head >> 3] = value
            return found

        EMPTY, DUMP, RESTORE, CHECK, PRE_DUMP, PAGE_SERVER, NOTIFY = range(7)
        CPUINFO_DUMP, CPUINFO_CHECK, FEATURE_CHECK, VERSION, WAIT_PID, PAGE_SERVER_CHLD, SINGLE_PRE_DUMP = range(7, 14)
        EBADRQC = 56

        def request(kind, *more, options=None, keep=False):
            text = message((1, kind), *more)
            if options is not None:
                text += message((2, message(*options)))
            return text + (message((4, True)) if keep else b"")

        def options(*more, directory=None):
            return [(1, images if directory is None else directory), (9, 4), (12, True), *more]

        yes, no = message((1, NOTIFY), (3, True)), message((1, NOTIFY), (3, False))

        class Client:
            def __init__(self, connection=None, **more):
                if connection is None:
                    self.connection, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                    passed = [other.fileno(), *more.pop("pass_fds", [])]
                    self.worker = subprocess.Popen(
                        [criu, "swrk", str(other.fileno())], pass_fds=passed, stdin=subprocess.DEVNULL, **more)
                    other.close()
                else:
                    self.connection, self.worker = connection, None
                self.connection.settimeout(60)

            def send(self, text):
                self.connection.send(text)

            def receive(self):
                """The fields of the next message; None where the connection is closed."""
                text, rights, _, _ = self.connection.recvmsg(1 << 16, 1024)
                self.rights = rights
                return fields(text) if text else None

            def ask(self, text, answers={}):
                """The final answer, and the stages before it with the pid that they tell."""
                self.send(text)
                self.stages = []
                while True:
                    answer = self.receive()
                    if answer is None or answer[1] != NOTIFY:
                        return answer
                    stage = fields(answer[5])
                    self.stages.append((stage[1].decode(), stage.get(2)))
                    self.send(answers.get(stage[1].decode(), yes))

            def end(self):
                self.connection.close()
                return self.worker.wait(60)

        def once(text, answers={}, code=0, **more):
            client = Client(**more)
            answer = client.ask(text, answers)
            found = client.end()
            assert found == code, (case, found, answer)
            return answer, client.stages

        def start():
            job = subprocess.Popen(
                ["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
            left.append(job.pid)
            end = time.monotonic() + 20
            while open(f"/proc/{job.pid}/comm").read() != "sleep\n":
                assert time.monotonic() < end
            return job

        def state(pid):
            try:
                return open(f"/proc/{pid}/stat").read().rpartition(") ")[2].split()
            except OSError:
                return ["gone", "0"]

        def end(pid):
            """Ends a tree that was restored, and everything else that has become our child meanwhile."""
            if state(pid)[0] not in ("gone", "Z"):
                os.kill(pid, signal.SIGKILL)
            while True:
                try:
                    os.waitpid(-1, 0)
                except ChildProcessError:
                    return

        def dumped():
            job = start()
            answer, _ = once(request(DUMP, options=options((2, job.pid), (10, "dump.log"))))
            assert answer[2] == 1, answer
            job.wait()
            return job.pid

        def runs(pid):
            return state(pid)[0] in "SR" and "TracerPid:\t0\n" in open(f"/proc/{pid}/status").read()

        def main():
            if case == "no-request":
                client = Client()
                assert client.end() == 255
            elif case == "no-message":
                answer, _ = once(b"\xff\xff\xff", code=255)
                assert answer is None
            elif case == "other-kinds":
                for kind in [EMPTY, NOTIFY, 99]:
                    answer, _ = once(request(kind), code=255)
                    assert answer == {1: EMPTY, 2: 0}, answer
            elif case == "version":
                answer, _ = once(request(VERSION))
                assert answer[1] == VERSION and answer[2] == 1, answer
                assert fields(answer[10])[1] == 4 and fields(answer[10])[2] == 2, answer
            elif case == "keep-open":
                client = Client()
                for _ in range(3):
                    assert client.ask(request(VERSION, keep=True))[2] == 1
                assert client.ask(request(VERSION))[2] == 1
                assert client.end() == 0
                # Of these no other request can follow; what asks for it gets no answer.
                for kind in [CHECK, DUMP, RESTORE]:
                    answer, _ = once(request(kind, options=options(), keep=True), code=255)
                    assert answer is None, answer
            elif case == "features":
                # No dump continues a pre-dump, and no page is fetched late.
                answer, _ = once(request(FEATURE_CHECK, (5, message((1, True), (3, True)))))
                assert answer[2] == 1 and fields(answer[8]) == {1: 0, 3: 0}, answer
                answer, _ = once(request(FEATURE_CHECK))
                assert answer[2] == 0, answer
            elif case == "check":
                answer, _ = once(request(CHECK))
                assert answer == {1: CHECK, 2: 1}, answer
            elif case == "wait":
                answer, _ = once(request(WAIT_PID, (6, os.getpid())))
                assert answer[1] == WAIT_PID and answer[2] == 0, answer
            elif case == "refused-options":
                for kind in [DUMP, RESTORE]:
                    for given, why in [
                        ([(1, images), (10, "a/b")], "log_file a/b"), ([(1, 999)], "images_dir_fd"), ([(1, -1)], "images_dir_fd -1"),
                        ([(1, images), (38, 1)], "empty_ns 0x1"), (None, "without options"), ([(1, images), (17, 999)], "work_dir_fd"),
                    ]:
                        more = [] if given is None else given + [(2, 999999)]
                        answer, _ = once(request(kind, options=more if given is not None else None), code=1)
                        assert answer[1] == kind and answer[2] == 0 and answer[7] == EBADRQC, (given, answer)
                        assert why in answer[9].decode(), (why, answer)
                        assert kind == DUMP or fields(answer[4]) == {1: -1}, answer
                answer, _ = once(request(DUMP, options=options()), code=1)
                assert "not there yet" in answer[9].decode(), answer
            elif case == "missing-options":
                for option, name in [
                    ((11, message((1, "127.0.0.1"))), "--page-server"), ((48, True), "--lazy-pages"), ((58, True), "--tls"),
                    ((53, "apparmor:x"), "--lsm-profile"), ((67, True), "--unprivileged"),
                ]:
                    for kind in [DUMP, RESTORE]:
                        answer, _ = once(request(kind, options=options((2, 999999), option)), code=1)
                        assert answer[7] == EBADRQC and f"{name}: this option of CRIU is not there yet" == answer[9].decode(), answer
                        assert f"Error: {name}: " in open("images/criu.log").read()
            elif case == "missing-requests":
                for kind, code in [(PRE_DUMP, 255), (SINGLE_PRE_DUMP, 255), (PAGE_SERVER, 1), (PAGE_SERVER_CHLD, 1)]:
                    answer, _ = once(request(kind, options=options((2, 999999))), code=code)
                    assert answer[1] == (PAGE_SERVER if kind == PAGE_SERVER_CHLD else kind) and answer[2] == 0, answer
                    assert "not there yet" in answer[9].decode(), answer
            elif case == "configuration":
                job = start()
                # A file that is not there says nothing; one that is there comes after the request.
                answer, _ = once(request(DUMP, options=options((2, job.pid), (3, True), (51, directory + "/none"))))
                assert answer[2] == 1, answer
                open("criu.conf", "w").write("# of an operator\n\nlog-file 'named.log'\nleave-running\n")
                answer, _ = once(request(DUMP, options=options((2, job.pid), (10, "other.log"), (51, directory + "/criu.conf"))))
                assert answer[2] == 1 and runs(job.pid) and os.path.exists("images/named.log"), answer
                open("criu.conf", "w").write("lazy-pages\n")
                answer, _ = once(request(DUMP, options=options((2, job.pid), (51, directory + "/criu.conf"))), code=1)
                assert "--lazy-pages" in answer[9].decode() and runs(job.pid), answer
            elif case == "processor":
                client = Client()
                assert client.ask(request(CPUINFO_DUMP, options=options(), keep=True))[2] == 1
                assert os.path.exists("images/cpuinfo.img")
                assert client.ask(request(CPUINFO_CHECK, options=options()))[2] == 1
                assert client.end() == 0
                os.remove("images/cpuinfo.img")
                answer, _ = once(request(CPUINFO_CHECK, options=options()))
                assert answer[2] == 0, answer
            elif case == "refused-stages":
                job = start()
                for stage in ["pre-dump", "query-ext-files", "post-dump"]:
                    answer, stages = once(request(DUMP, options=options((2, job.pid))), {stage: no}, code=1)
                    assert answer[2] == 0 and stages[-1] == (stage, None) and runs(job.pid), (answer, stages)
                # Any other message is no consent either.
                answer, _ = once(request(DUMP, options=options((2, job.pid))), {"pre-dump": request(VERSION)}, code=1)
                assert answer[2] == 0 and runs(job.pid), answer
                os.kill(job.pid, signal.SIGKILL)
                job.wait()
                pid = dumped()
                for stage, root in [("pre-restore", None), ("post-restore", pid)]:
                    answer, stages = once(request(RESTORE, options=options()), {stage: no}, code=1)
                    assert answer[2] == 0 and stages[-1] == (stage, root), (answer, stages)
                    assert fields(answer[4]) == {1: root or -1}, answer
                    end(pid)
                    assert state(pid) == ["gone", "0"]
                # It is too late for these to fail.
                late = {"pre-resume": no, "post-resume": no}
                answer, _ = once(request(RESTORE, options=options()), late)
                assert answer[2] == 1 and runs(pid), answer
                end(pid)
            elif case == "dump-and-restore":
                job = start()
                os.mkdir("work")
                work = os.open("work", os.O_DIRECTORY)
                answer, stages = once(request(DUMP, options=options((2, job.pid), (3, True), (17, work), (10, "own.log"))))
                assert answer == {1: DUMP, 2: 1, 3: message((1, False)), **({9: answer[9]} if whose == "stock" else {})}, answer
                assert stages == [("pre-dump", None), ("query-ext-files", None), ("post-dump", None)], stages
                assert runs(job.pid) and os.path.exists("work/own.log") and not os.path.exists("images/own.log")
                # Without a name for the log; without notifications.
                answer, stages = once(request(DUMP, options=[(1, images), (9, 4), (2, job.pid)]))
                assert answer[2] == 1 and stages == [] and os.path.exists("images/criu.log"), answer
                assert job.wait() == -9
                answer, stages = once(request(RESTORE, options=options((10, "restore.log"))))
                assert answer[2] == 1 and fields(answer[4]) == {1: job.pid}, answer
                assert stages == [
                    ("pre-restore", None), ("post-restore", job.pid), ("pre-resume", None), ("post-resume", None)], stages
                assert runs(job.pid) and state(job.pid)[1] == str(os.getpid())
                end(job.pid)
                # By the path of the directory.
                answer, _ = once(request(RESTORE, options=[(1, -1), (68, directory + "/images")]))
                assert answer[2] == 1, answer
                end(job.pid)
            elif case == "sibling":
                pid = dumped()
                # Ours, and not only because orphans are.
                ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
                answer, _ = once(request(RESTORE, options=options((26, True))))
                assert answer[2] == 1 and state(pid)[1] == str(os.getpid()), (answer, state(pid))
                end(pid)
            elif case == "program":
                pid = dumped()
                script = f"cut -d' ' -f4 /proc/{pid}/stat >parent; echo $$ >>parent"
                answer, _ = once(request(RESTORE, options=options((22, "/bin/sh"), (22, "-c"), (22, f"cd {directory}; {script}"))))
                assert answer[2] == 1, answer
                parent = open("parent").read().split()
                assert parent[0] == parent[1], parent
                end(pid)
            elif case == "taken":
                pid = dumped()
                answer, _ = once(request(RESTORE, options=options()))
                assert answer[2] == 1, answer
                answer, _ = once(request(RESTORE, options=options()), code=1)
                assert answer[2] == 0 and answer[7] == 17 and fields(answer[4]) == {1: -1}, answer
                assert runs(pid)
                end(pid)
            elif case == "gone":
                answer, _ = once(request(DUMP, options=options((2, 999999))), code=1)
                assert answer[2] == 0 and answer[7] == 3, answer
            elif case == "join":
                holder = subprocess.Popen(
                    ["unshare", "--uts", "sh", "-c", "hostname given; echo; exec sleep 1000"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE)
                left.append(holder.pid)
                holder.stdout.readline()
                pid = dumped()
                answer, _ = once(request(RESTORE, options=options((39, message((1, "uts"), (2, str(holder.pid)))))))
                assert answer[2] == 1, answer
                assert os.readlink(f"/proc/{pid}/ns/uts") == os.readlink(f"/proc/{holder.pid}/ns/uts")
                holder.kill()
                holder.wait()
                end(pid)
            elif case == "externals":
                # A pipe to us: nothing allows it but the client, and that only once the tree is frozen.
                reader, writer = os.pipe()
                job = subprocess.Popen(
                    ["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL, start_new_session=True)
                left.append(job.pid)
                answer, _ = once(request(DUMP, options=options((2, job.pid))), code=1)
                assert answer[2] == 0 and "pipe" in answer[9].decode(), answer
                more = message((1, NOTIFY), (3, True)) + message(
                    (2, message((1, -1), (37, f"pipe:[{os.fstat(writer).st_ino}]"))))
                answer, _ = once(request(DUMP, options=options((2, job.pid), (3, True))), {"query-ext-files": more})
                assert answer[2] == 1 and runs(job.pid), answer
            elif case == "inherited":
                reader, writer = os.pipe()
                name = f"pipe:[{os.fstat(writer).st_ino}]"
                job = subprocess.Popen(
                    ["sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; echo there"], stdin=subprocess.DEVNULL, stdout=writer,
                    stderr=subprocess.DEVNULL, start_new_session=True)
                left.append(job.pid)
                answer, _ = once(request(DUMP, options=options((2, job.pid), (37, name))))
                assert answer[2] == 1, answer
                job.wait()
                # Its sleep has become ours.
                end(job.pid)
                os.close(reader)
                os.close(writer)
                reader, writer = os.pipe()
                answer, _ = once(
                    request(RESTORE, options=options((27, message((1, name), (2, writer))))), pass_fds=[writer])
                assert answer[2] == 1, answer
                os.close(writer)
                open("go", "w").close()
                assert os.read(reader, 10) == b"there\n" and os.read(reader, 10) == b""
                end(job.pid)
            elif case == "service":
                # As criu: with a pidfile, for one client after the other, without what needs descriptors of a worker.
                service = subprocess.Popen([criu, "service", "--address", "socket", "--pidfile", "pid"], stdin=subprocess.DEVNULL)
                left.append(service.pid)
                def client():
                    end = time.monotonic() + 30
                    while True:
                        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                        try:
                            made.connect("socket")
                            return Client(made)
                        except OSError:
                            assert time.monotonic() < end and service.poll() is None
                            time.sleep(0.02)
                assert client().ask(request(VERSION))[2] == 1
                assert open("pid").read() == str(service.pid)
                assert os.stat("socket").st_mode & 0o777 == 0o600
                job = start()
                made = client()
                answer = made.ask(request(DUMP, options=options((2, job.pid))))
                assert answer[2] == 1 and len(made.stages) == 3, answer
                job.wait()
                for option in [(26, True), (27, message((1, "x"), (2, 5)))]:
                    answer = client().ask(request(RESTORE, options=options(option)))
                    assert answer[2] == 0 and answer[7] == EBADRQC, answer
                answer = client().ask(request(RESTORE, options=options()))
                assert answer[2] == 1 and runs(job.pid), answer
                service.kill()
                service.wait()
                end(job.pid)
            elif case == "namespaces":
                # The pid that stages and answer tell is the one outside, which is another after a restore.
                job = subprocess.Popen(
                    ["setsid", "unshare", "--pid", "--uts", "--ipc", "--fork", "setsid", "sleep", "1000"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                left.append(job.pid)
                limit, found = time.monotonic() + 20, []
                while not found or open(f"/proc/{found[0]}/comm").read() != "sleep\n":
                    assert time.monotonic() < limit
                    found = open(f"/proc/{job.pid}/task/{job.pid}/children").read().split()
                pid = int(found[0])
                answer, stages = once(request(DUMP, options=options((2, pid))))
                assert answer[2] == 1 and [stage for stage, _ in stages] == ["pre-dump", "query-ext-files", "post-dump"], (answer, stages)
                job.wait()
                answer, stages = once(request(RESTORE, options=options((26, True))))
                assert answer[2] == 1, answer
                root = fields(answer[4])[1]
                left.append(root)
                assert stages == [
                    ("pre-restore", None), ("setup-namespaces", root), ("post-setup-namespaces", None),
                    ("post-restore", root), ("pre-resume", None), ("post-resume", None)], (stages, root)
                assert runs(root) and open(f"/proc/{root}/comm").read() == "sleep\n"
                status = open(f"/proc/{root}/status").read()
                assert f"NSpid:\t{root}\t1\n" in status, status
                end(root)
            elif case in ("orphan-terminal", "orphan-refused"):
                # The master of its terminal is ours: after the dump it is gone, and a new one comes with a stage.
                master, slave = os.openpty()
                name = os.ttyname(slave)
                script = "stty -echo; while read line; do echo got $line; done"
                job = subprocess.Popen(
                    ["setsid", "-c", "sh", "-c", script], stdin=slave, stdout=slave, stderr=slave)
                os.close(slave)
                left.append(job.pid)
                def talk(fd, word):
                    os.write(fd, word + b"\n")
                    text, limit = b"", time.monotonic() + 20
                    while b"got " + word not in text:
                        assert time.monotonic() < limit
                        text += os.read(fd, 100)
                talk(master, b"before")
                answer, _ = once(request(DUMP, options=options((2, job.pid), (3, True))), code=1)
                assert whose == "stock" or answer[2] == 0 and "terminal" in answer[9].decode(), answer
                answer, _ = once(request(DUMP, options=options((2, job.pid), (50, True))))
                assert answer[2] == 1, answer
                job.wait()
                os.close(master)
                if case == "orphan-refused":
                    answer, stages = once(request(RESTORE, options=options((50, True))), {"orphan-pts-master": no}, code=1)
                    assert answer[2] == 0 and stages[-1][0] == "orphan-pts-master", (answer, stages)
                    end(job.pid)
                    # It was lent to us all the same.
                    for fd in os.listdir("/proc/self/fd"):
                        if os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}") == "/dev/ptmx":
                            os.close(int(fd))
                    # Nobody to ask.
                    answer, _ = once(request(RESTORE, options=[(1, images), (9, 4), (50, True)]), code=1)
                    assert answer[2] == 0 and "nobody to take it" in answer[9].decode(), answer
                    end(job.pid)
                    assert not os.path.exists(name)
                    return
                client, given, stages = Client(), [], []
                client.send(request(RESTORE, options=options((50, True))))
                while True:
                    answer = client.receive()
                    if answer[1] != NOTIFY:
                        break
                    stages.append(fields(answer[5])[1].decode())
                    for level, kind, data in client.rights:
                        given.append(struct.unpack("i", data[:4])[0])
                        assert stages[-1] == "orphan-pts-master", stages
                    client.send(yes)
                assert client.end() == 0 and answer[2] == 1, answer
                assert stages == ["pre-restore", "orphan-pts-master", "post-restore", "pre-resume", "post-resume"], stages
                assert len(given) == 1 and os.path.exists(name)
                talk(given[0], b"after")
                assert state(job.pid)[4] != "0", state(job.pid)
                end(job.pid)
            elif case == "client-dies":
                # The tree runs on where the client is gone in the middle of a dump.
                job = start()
                client = Client()
                client.send(request(DUMP, options=options((2, job.pid))))
                assert fields(client.receive()[5])[1] == b"pre-dump"
                client.send(yes)
                assert fields(client.receive()[5])[1] == b"query-ext-files"
                assert state(job.pid)[0] == "t"
                assert client.end() != 0
                assert runs(job.pid)

        try:
            main()
        finally:
            for pid in left:
                if state(pid)[0] != "gone":
                    os.kill(pid, signal.SIGKILL)
        """#
}
