import CREngine
import Glibc
import TestSupport
import Testing

/// Servers that know nothing of checkpoints: each is asked before, goes out and back, and is asked whether it still serves.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"),
    .enabled(if: Service.programs != nil, "needs the servers of scripts/get-programs"))
struct ServiceTests {
    /// Takes the server out and back and fails the test at the step that went wrong.
    private func cycle(_ service: inout Service, _ name: String, allow: String = "") throws {
        let (out, back) = try service.cycle(name, allow: allow)
        try #require(out.ending == .exit(0), "\(out.output)")
        try #require(back?.ending == .exit(0), "\(back?.output ?? "")")
    }

    @Test func `redis keeps its keys, also those on its unix socket`() throws {
        var service = try Service.make()
        let words = ["--port", "\(service.port)", "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
        try service.load.start(
            [Service.path("redis-server")] + words + ["--unixsocket", service.load.place + "/redis.sock"])
        #expect(service.answers("SET colour green\r\n") { $0.hasPrefix("+OK") })
        for _ in 0..<2 {
            try cycle(&service, "redis")
            #expect(service.answers("GET colour\r\n") { $0.contains("green") })
        }
        let asked = try Command.run([
            Service.path("redis-cli"), "-s", service.load.place + "/redis.sock", "GET", "colour",
        ])
        #expect(asked.output == "green\n")
        #expect(service.ask("SHUTDOWN NOSAVE\r\n").isEmpty)
        #expect(service.load.ended() == .exit(0))
    }

    @Test func `memcached keeps its items in all of its threads`() throws {
        var service = try Service.make()
        try service.load.start([
            Service.path("memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", "\(service.port)", "-U", "0",
        ])
        #expect(service.answers("set a 0 0 5\r\nhello\r\n") { $0.hasPrefix("STORED") })
        try cycle(&service, "memcached")
        // Each connection goes to the next thread.
        for _ in 0..<8 { #expect(service.ask("get a\r\n") == "VALUE a 0 5\r\nhello\r\nEND\r\n") }
    }

    @Test func `nginx serves with both of its workers, which run as another user`() throws {
        var service = try Service.make()
        let place = service.load.place
        try write(
            """
            daemon off; worker_processes 2; user nobody nogroup; pid \(place)/pid; error_log \(place)/error;
            events { worker_connections 64; }
            http {
              access_log \(place)/access; client_body_temp_path \(place)/a; proxy_temp_path \(place)/b;
              fastcgi_temp_path \(place)/c; uwsgi_temp_path \(place)/d; scgi_temp_path \(place)/e;
              server { listen 127.0.0.1:\(service.port) reuseport; return 200 "pid $pid\\n"; }
            }
            """, to: place + "/conf")
        try service.load.start([Service.path("nginx"), "-c", place + "/conf", "-p", place])
        let request = "GET / HTTP/1.0\r\n\r\n"
        #expect(service.answers(request) { $0.contains("200 OK") })
        #expect(processTree(of: service.load.root).count == 3)
        try cycle(&service, "nginx")
        var workers: Set<String> = []
        for _ in 0..<64 {
            let answer = service.ask(request)
            #expect(answer.contains("200 OK"))
            workers.insert(String(answer.split(separator: "\n").last ?? ""))
        }
        #expect(workers.count == 2)
        // The master still rules its workers.
        kill(service.load.root, SIGQUIT)
        #expect(service.load.ended() == .exit(0))
    }

    @Test func `node goes on with its server and its timers`() throws {
        var service = try Service.make()
        let place = service.load.place
        try write(
            """
            let count = 0; setInterval(() => count++, 20);
            require("http").createServer((_, answer) => answer.end("ticks " + count)).listen(\(service.port), "127.0.0.1");
            """, to: place + "/server.js")
        try service.load.start([
            "/usr/bin/env", "UV_USE_IO_URING=0", Service.path("node"), place + "/server.js",
        ])
        func ticks(_ answer: String) -> Int {
            answer.split(separator: "ticks ").last.flatMap { Int($0.prefix { $0.isNumber }) } ?? -1
        }
        let request = "GET / HTTP/1.0\r\n\r\n"
        #expect(service.answers(request) { ticks($0) > 3 })
        let before = ticks(service.ask(request))
        try cycle(&service, "node")
        #expect(service.answers(request) { ticks($0) > before })
    }

    @Test func `an asyncio server keeps a thousand open connections`() throws {
        var service = try Service.make()
        let place = service.load.place
        try write(
            """
            import asyncio
            async def serve(reader, writer):
                while line := await reader.readline():
                    writer.write(b"echo " + line)
                    await writer.drain()
            async def main():
                server = await asyncio.start_server(serve, "127.0.0.1", \(service.port), backlog=2000)
                async with server: await server.serve_forever()
            asyncio.run(main())
            """, to: place + "/server.py")
        try write(
            """
            import os, socket, sys, time
            socks = [socket.create_connection(("127.0.0.1", \(service.port))) for _ in range(1000)]
            def ask(tag):
                for n, s in enumerate(socks): s.sendall(b"%s %d\\n" % (tag, n))
                return all(s.makefile("rb").readline() == b"echo %s %d\\n" % (tag, n) for n, s in enumerate(socks))
            print("first", ask(b"first"), flush=True)
            sys.stdin.readline()
            print("second", ask(b"second"), flush=True)
            """, to: place + "/client.py")
        try service.load.start([
            "/usr/bin/prlimit", "--nofile=4096", "/usr/bin/python3", place + "/server.py",
        ])
        #expect(service.answers("ready?\n") { $0 == "echo ready?\n" })
        let fifo = place + "/go"
        try #require(mkfifo(fifo, 0o600) == 0)
        let script = "exec prlimit --nofile=4096 /usr/bin/python3 \(place)/client.py <>\(fifo)"
        let client = try spawn(["/bin/sh", "-c", script], log: place + "/client", directory: "/")
        defer { end([client]) }
        #expect(service.load.await { text(of: place + "/client") == "first True\n" })
        #expect(try service.blockers("asyncio") == ["CRP221"])
        try cycle(&service, "asyncio", allow: "tcp-established: true")
        try write("go\n", to: fifo)
        #expect(wait(for: client, until: now() + 60) == .exit(0))
        #expect(text(of: place + "/client") == "first True\nsecond True\n")
    }

    /// The client is a child of the server's process group, or somebody outside who must not notice.
    @Test(arguments: ["inside", "outside"])
    func `postgres commits the transaction that a client is amid`(_ side: String) throws {
        var service = try Service.make()
        let place = service.load.place
        chmod(place, 0o777)
        chmod(service.load.directory, 0o755)
        let asNobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        let made = try Command.run(
            asNobody + [Service.path("initdb"), "-D", place + "/data", "-U", "tester", "-A", "trust"],
            timeout: 120)
        try #require(made.ending == .exit(0), "\(made.output)")
        let fifo = place + "/go"
        try #require(mkfifo(fifo, 0o666) == 0 && chmod(fifo, 0o666) == 0)
        let port = service.port
        let psql = "\(Service.path("psql")) -h 127.0.0.1 -p \(port) -U tester -q -At"
        let client =
            "until \(psql) -c 'SELECT 1' postgres; do sleep 0.1; done >\(place)/waiting 2>&1; "
            + "exec \(psql) postgres <>\(fifo) >\(place)/client 2>&1"
        let server =
            "exec \(Service.path("postgres")) -D \(place)/data -p \(port) -k \(place) -h 127.0.0.1"
        let script = side == "inside" ? "(\(client)) & \(server)" : server
        try service.load.start(asNobody + ["/bin/sh", "-c", script])
        let outside =
            side == "outside"
            ? try spawn(asNobody + ["/bin/sh", "-c", client], log: place + "/log", directory: "/") : 0
        defer { if outside > 0 { end([outside]) } }
        func said() -> String { text(of: place + "/client") ?? "" }
        try write(
            "CREATE TABLE t (n int); BEGIN; INSERT INTO t VALUES (42); SELECT sum(n) FROM t;\n", to: fifo)
        #expect(service.load.await { said() == "42\n" }, "\(said())")
        for round in 1...2 {
            try cycle(
                &service, "postgres", allow: side == "inside" ? "" : "tcp-established: true")
            try write("INSERT INTO t VALUES (\(round)); SELECT count(*) FROM t;\n", to: fifo)
            #expect(service.load.await { said().hasSuffix("\n\(round + 1)\n") }, "\(said())")
        }
        try write("COMMIT; SELECT 'done';\n\\q\n", to: fifo)
        #expect(service.load.await { said().hasSuffix("done\n") }, "\(said())")
        if outside > 0 { #expect(wait(for: outside, until: now() + 30) == .exit(0)) }
        // The server makes new processes that map its segment, and ends as it should: it removes the segment.
        let asked = try Command.run([
            Service.path("psql"), "-h", "127.0.0.1", "-p", "\(port)", "-U", "tester", "-At", "-c",
            "SELECT sum(n) FROM t", "postgres",
        ])
        #expect(asked.output == "45\n")
        let segments = try SystemVTables.segments(try SystemV.table(.segment)).filter {
            $0.creator.rawValue == service.load.root
        }
        #expect(segments.count == 1)
        kill(service.load.root, SIGINT)
        #expect(service.load.ended() == .exit(0))
        let left = try SystemVTables.segments(try SystemV.table(.segment)).map(\.object.id)
        for segment in segments { #expect(!left.contains(segment.object.id)) }
    }
}
