import CREngine
import Glibc
import TestSupport
import Testing

/// Programs as a batch runs them, amid their work: a parallel build, a database within a transaction, a job of a user without rights,
/// and runtimes with many threads.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct BatchProgramTests {
    static func has(_ program: String) -> Bool {
        ["/usr/bin/", "/usr/local/bin/", "/bin/"].contains { access($0 + program, X_OK) == 0 }
    }

    /// Starts a command of the shell in the work directory, takes it out once `ready` is there, brings it back, lets it go
    /// on by the file `go`, and returns what it printed.
    private func carry(
        _ command: String, ready: String, files: [String: String] = [:], allow: String? = nil,
        timeout: Double = 300
    ) throws -> String {
        var load = try Workload(timeout: timeout)
        chmod(load.directory, 0o755)
        chmod(load.place, 0o777)
        for (name, contents) in files { try write(contents, to: "\(load.place)/\(name)") }
        try load.start(["/bin/sh", "-c", command])
        let place = load.place
        try #require(load.await { access("\(place)/\(ready)", F_OK) == 0 }, "\(load.contents("log"))")
        let out = try load.checkpoint("batch", allow: allow)
        try #require(out.ending == .exit(0), "\(out.output)")
        let back = try load.restore("batch")
        try #require(back.ending == .exit(0), "\(back.output)")
        try write("", to: place + "/go")
        let ending = load.ended()
        let log = load.contents("log")
        #expect(ending == .exit(0), "\(log)")
        return log
    }

    @Test(.enabled(if: Self.has("make") && Self.has("gcc"))) func `make goes on compiling with two jobs`()
        throws
    {
        var files: [String: String] = [:]
        let names = (0..<8).map { "f\($0)" }
        for (number, name) in names.enumerated() {
            let functions = (0..<600).map {
                "int \(name)_\($0)(int x){for(int i=0;i<x;i++)x=x*\($0 + 3)+i;return x;}\n"
            }
            files[name + ".c"] = functions.joined() + "int \(name)(void){return \(number);}\n"
        }
        let objects = names.map { $0 + ".o" }.joined(separator: " ")
        files["main.c"] =
            "#include <stdio.h>\n" + names.map { "int \($0)(void);\n" }.joined()
            + "int main(void){printf(\"sum %d\\n\", "
            + names.map { $0 + "()" }.joined(separator: "+") + ");return 0;}\n"
        files["Makefile"] =
            "prog: \(objects) main.o\n\tgcc -o $@ \(objects) main.o\n%.o: %.c\n\tgcc -O2 -c -o $@ $<\n"
        let log = try carry("make -j2 && ./prog", ready: "f1.o", files: files)
        #expect(log.hasSuffix("sum 28\n"), "\(log)")
    }

    @Test(.enabled(if: Self.has("sqlite3"))) func `sqlite commits a transaction that was begun before`()
        throws
    {
        let series =
            "with recursive c(x) as (select 1 union all select x+1 from c where x<5000) insert into t select x from c;"
        let log = try carry(
            """
            (echo "create table t(x integer); begin immediate; \(series)"; echo ".shell touch amid"
            while [ ! -e go ]; do sleep 0.05; done
            echo "insert into t values(1000000); commit; select count(*), sum(x) from t; pragma integrity_check;") \
            | sqlite3 base.db
            """, ready: "amid", allow: "{file-locks: owned}")
        #expect(log == "5001|13502500\nok\n", "\(log)")
    }

    @Test(.enabled(if: Self.has("setpriv") && Self.has("taskset")))
    func `a job of a user without rights keeps its limits, its nice value and its processor`() throws {
        let log = try carry(
            """
            exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs nice -n 7 taskset -c 0 timeout 280 sh -c '
            ulimit -n 64; ulimit -t 600; ulimit -f 2048
            i=0; while [ ! -e go ]; do i=$((i+1)); echo $i > count; done
            echo $(id -u) $(nice) $(ulimit -n) $(ulimit -t) $(ulimit -f) $(taskset -p $$ | sed "s/.*: //")'
            """, ready: "count")
        #expect(log == "65534 7 64 600 2048 1\n", "\(log)")
    }

    @Test(.enabled(if: Self.has("javac"), "needs a JDK"))
    func `a JVM keeps forty threads that keep its collector busy`() throws {
        let program = """
            import java.nio.file.*; import java.util.*; import java.util.concurrent.*;
            public class Work {
              static long work(int n) {
                Random random = new Random(n); ArrayList<byte[]> kept = new ArrayList<>(); long sum = 0;
                while (!Files.exists(Path.of("go"))) for (int i = 0; i < 2000; i++) {
                  byte[] block = new byte[random.nextInt(4096) + 1]; block[0] = (byte) i; sum += block.length;
                  if (kept.size() < 400) kept.add(block); else kept.set(random.nextInt(400), block);
                }
                return sum > 0 ? 1 : 0;
              }
              public static void main(String[] arguments) throws Exception {
                ExecutorService pool = Executors.newFixedThreadPool(40); List<Future<Long>> all = new ArrayList<>();
                for (int i = 0; i < 40; i++) { final int n = i; all.add(pool.submit(() -> work(n))); }
                while (java.lang.management.ManagementFactory.getGarbageCollectorMXBeans().get(0).getCollectionCount() < 3) Thread.sleep(10);
                Files.writeString(Path.of("ready"), "");
                long sum = 0; for (Future<Long> one : all) sum += one.get();
                pool.shutdown(); System.out.println("threads " + sum);
              }
            }
            """
        let log = try carry("exec java -Xmx128m Work.java", ready: "ready", files: ["Work.java": program])
        #expect(log == "threads 40\n", "\(log)")
    }

    @Test(.enabled(if: Self.has("node"))) func `node keeps its worker threads`() throws {
        let program = """
            const { Worker, isMainThread, parentPort, workerData } = require('worker_threads'); const fs = require('fs');
            if (isMainThread) {
              let left = 4, sum = 0, started = 0;
              for (let n = 0; n < 4; n++) new Worker(__filename, { workerData: n }).on('message', m => {
                if (m === 'up') { if (++started == 4) fs.writeFileSync('ready', ''); return; }
                sum += m; if (--left == 0) console.log('sum', sum);
              });
            } else {
              parentPort.postMessage('up'); let x = workerData;
              const timer = setInterval(() => {
                for (let i = 0; i < 200000; i++) x = (x * 1103515245 + 12345) % 2147483648;
                if (fs.existsSync('go')) { clearInterval(timer); parentPort.postMessage(workerData + 1); }
              }, 5);
            }
            """
        let log = try carry(
            "UV_USE_IO_URING=0 exec node work.js", ready: "ready", files: ["work.js": program])
        #expect(log == "sum 10\n", "\(log)")
    }
}
