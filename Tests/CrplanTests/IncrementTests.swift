import TestSupport
import Testing

/// Dumps that continue earlier ones, by option and by policy.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct IncrementTests {
    @Test(arguments: ["plumbing", "hashes", "policy", "damage", "refusals"])
    func `an increment holds what changed, and a restore reads what it continues`(_ name: String) throws {
        let directory = try makeDirectory(in: "/var/tmp")
        defer { remove(directory) }
        let run = try Command.run(
            ["/usr/bin/python3", "-c", Self.program, BuiltPrograms.crplan, directory, name], timeout: 120)
        #expect(run.ending == .exit(0), "\(run.output)")
    }

    /// The arguments are crplan, a directory, and what to do.
    private static let program = #"""
        import ctypes, glob, hashlib, json, os, shutil, subprocess, sys, time

        # What is restored becomes our child, so we see its end.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        crplan, directory, case = sys.argv[1:4]
        os.chdir(directory)

        # Private and shared memory, some pages of which change with each turn; answers with a digest of all.
        program = '''
        import hashlib, mmap, os, time
        size = 4 << 20
        private = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        shared = mmap.mmap(-1, size, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        # Half of it is not there yet.
        for area in (private, shared):
            for page in range(0, size // 2, 4096):
                area[page:page + 16] = os.urandom(16)
        turn = 0
        while not os.path.exists("stop"):
            time.sleep(0.005)
            if not os.path.exists("ask"):
                continue
            if open("ask").read() == "change":
                turn += 1
                for area in (private, shared):
                    area[turn * 40960:turn * 40960 + 16] = os.urandom(16)
                    # A page that was not there, and one that is given back.
                    area[size // 2 + turn * 4096] = turn
                    area.madvise(mmap.MADV_DONTNEED if area is private else mmap.MADV_REMOVE, turn * 4096 * 7, 4096)
            os.unlink("ask")
            open("answer.new", "w").write(hashlib.sha256(private[:] + shared[:]).hexdigest())
            os.rename("answer.new", "answer")
        '''

        # Since Linux 6.7 the kernel notes what a task writes.
        knows_writes = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 7)

        def wait(condition):
            end = time.monotonic() + 30
            while not condition():
                assert time.monotonic() < end, "waited in vain"
                time.sleep(0.005)

        def ask(what):
            if os.path.exists("answer"):
                os.unlink("answer")
            open("ask.new", "w").write(what)
            os.rename("ask.new", "ask")
            wait(lambda: os.path.exists("answer"))
            return open("answer").read()

        job = subprocess.Popen(
            ["/usr/bin/python3", "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)

        def crp(*words, code=0):
            answer = subprocess.run([crplan, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert answer.returncode == code, (words, answer.returncode, answer.stdout)
            return answer.stdout

        def end():
            os.kill(job.pid, 9)
            os.waitpid(job.pid, 0)

        def dump(name, *options):
            os.mkdir(name)
            return crp("dump", "-t", str(job.pid), "-D", name, "-R", *options)

        def restored(name, digest):
            crp("restore", "-D", name, "-d")
            assert ask("tell") == digest, f"{name} came back as something else"
            end()

        def watched(words):
            # Of the interpreter: whether the kernel told, or hashes.
            assert "pages changed" in words, words
            return "as the kernel noted" in words

        def holder():
            '''The process that keeps watch for us.'''
            return json.load(open(f"/run/crplan/writes/{job.pid}"))["holder"]

        def pages(images):
            return sum(os.path.getsize(path) for path in glob.glob(images + "/pages-*.img")) // 4096

        def hashes():
            # The holder dies, another set was the last one, a dump breaks off: nobody knows, and hashes tell.
            dump("set0", "--track-mem")
            ask("change")
            os.kill(holder(), 9)
            os.waitpid(holder(), 0)
            out = dump("set1", "--track-mem", "-v3", "--prev-images-dir", "../set0")
            assert not watched(out)
            digest = ask("change")
            out = dump("set2", "--track-mem", "-v3", "--prev-images-dir", "../set0")
            assert not watched(out)
            ask("change")
            crp("dump", "-t", str(job.pid), "-D", ".", "-R", "--track-mem", "--prev-images-dir", "set2",
                "--action-script", "test $CRTOOLS_SCRIPT_ACTION != post-dump", code=1)
            digest = ask("change")
            out = dump("set3", "--track-mem", "-v3", "--prev-images-dir", "../set2")
            assert not watched(out)
            out = dump("set4", "--track-mem", "-v3", "--prev-images-dir", "../set3")
            assert watched(out) == knows_writes
            end()
            restored("set4", digest)
            restored("set3", digest)

        def main():
            ask("change")
            if case == "hashes":
                hashes()
            elif case == "plumbing":
                digests = [ask("tell")]
                dump("set0", "--track-mem")
                full = pages("set0")
                assert full > 1000, full
                for number in (1, 2, 3):
                    digests.append(ask("change"))
                    out = dump(
                        f"set{number}", "--track-mem", "-v3", "--prev-images-dir", f"../set{number - 1}")
                    assert watched(out) == knows_writes, out
                    assert os.readlink(f"set{number}/parent") == f"../set{number - 1}"
                    # The interpreter's own pages change too.
                    assert pages(f"set{number}") < full / 2, (number, pages(f"set{number}"), full)
                watcher = holder() if knows_writes else 0
                end()
                wait(lambda: not os.path.exists(f"/run/crplan/writes/{job.pid}"))
                if watcher:
                    os.waitpid(watcher, 0)
                for number in (3, 0, 2, 1):
                    restored(f"set{number}", digests[number])
                os.rename("set0", "elsewhere")
                assert "parent/parent: leads to the image set" in crp("restore", "-D", "set2", "-d", code=1)
            elif case == "policy":
                open("job.yaml", "w").write(
                    f"version: 1\nname: job\nselect: [{{pid: {job.pid}}}]\nstore: {{path: {directory}/store}}\n"
                    "dump: {after: leave-running, filesystem: unsafe-ignore, incremental: {full-every: 3}}\n"
                    "retention: {keep-last: 2}\n")
                digests = {}
                for number in range(5):
                    digest = ask("change")
                    crp("apply", "job.yaml")
                    newest = sorted(glob.glob("store/job/*/2*"))[-1]
                    digests[newest] = digest
                    parent = json.load(open(newest + "/manifest.json")).get("parent")
                    assert (parent is None) == (number % 3 == 0), (number, parent)
                    assert os.path.islink(newest + "/images/parent") == (parent is not None)
                # The full one is older than what is kept, and needed by it.
                left = sorted(glob.glob("store/job/*/2*"))
                assert len(left) == 2, left
                assert crp("verify", "--store", "store").count("good") == 2
                end()
                crp("restore", left[1])
                assert ask("tell") == digests[left[1]]
                end()
                with open(left[0] + "/images/pages-1.img", "r+b") as file:
                    file.write(b"damaged")
                assert crp("verify", "--store", "store", code=8).count("images/pages-1.img") == 2
            elif case == "damage":
                dump("set0", "--track-mem")
                name = glob.glob("set0/page-hashes-[0-9]*.bin")[0]
                with open(name, "r+b") as file:
                    file.seek(40)
                    file.write(b"damaged")
                digest = ask("change")
                out = dump("set1", "--track-mem", "--prev-images-dir", "../set0")
                assert "not continued" in out and "damaged" in out, out
                end()
                restored("set1", digest)
            elif case == "refusals":
                # Somebody's own directory of that name: a dump that continues nothing leaves it alone.
                os.makedirs("plain/parent")
                crp("dump", "-t", str(job.pid), "-D", "plain", "-R")
                assert os.path.isdir("plain/parent")
                assert "cannot be opened" in crp(
                    "dump", "-t", str(job.pid), "-D", ".", "-R", "--prev-images-dir", "none", code=1)
                os.mkdir("empty")
                assert "no image set to continue" in crp(
                    "dump", "-t", str(job.pid), "-D", ".", "-R", "--prev-images-dir", "empty", code=1)
                assert "is the image directory itself" in crp(
                    "dump", "-t", str(job.pid), "-D", ".", "-R", "--prev-images-dir", ".", code=1)
                assert not glob.glob("*.img"), "a refused dump left images"
                ask("tell")

        try:
            main()
        finally:
            open("stop", "w")
            try:
                end()
            except (OSError, ChildProcessError):
                pass
        """#
}
