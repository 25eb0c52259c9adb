import Glibc
import TestSupport
import Testing

/// A daemon that reads a datagram socket as /dev/log is one, and programs that log there: each of both as the tree.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"),
    .enabled(if: Service.programs != nil, "needs the servers of scripts/get-programs"))
struct SyslogTests {
    /// Words that start rsyslogd with a socket and a file of its own in a directory.
    private func daemon(_ place: String) throws -> [String] {
        try write(
            """
            module(load="imuxsock" SysSock.Use="off")
            input(type="imuxsock" Socket="\(place)/log-socket")
            action(type="omfile" file="\(place)/messages")

            """, to: place + "/rsyslog.conf")
        let unpacked = "\(Service.programs ?? "")/root/usr/lib/x86_64-linux-gnu/rsyslog"
        let modules = access(unpacked, F_OK) == 0 ? unpacked : "/usr/lib/x86_64-linux-gnu/rsyslog"
        return [
            Service.path("rsyslogd"), "-n", "-f", place + "/rsyslog.conf", "-i", place + "/pid", "-M",
            modules,
        ]
    }

    private func messages(_ place: String, _ text: String) -> Int {
        (TestSupport.text(of: place + "/messages") ?? "").split(separator: "\n").count { $0.contains(text) }
    }

    private func log(_ place: String, _ text: String) throws {
        let logger = try Command.run(["/usr/bin/logger", "-u", place + "/log-socket", text])
        #expect(logger.ending == .exit(0), "\(logger.output)")
    }

    @Test func `rsyslogd goes on to write what it is sent`() throws {
        var service = try Service.make()
        let place = service.load.place
        try service.load.start(try daemon(place))
        let listens = service.load.await { access(place + "/log-socket", F_OK) == 0 }
        try #require(listens, "\(service.load.contents("log"))")
        try log(place, "before the checkpoint")
        #expect(service.load.await { messages(place, "before the checkpoint") == 1 })
        for round in 1...2 {
            let (out, back) = try service.cycle("rsyslogd")
            try #require(out.ending == .exit(0), "\(out.output)")
            try #require(back?.ending == .exit(0), "\(back?.output ?? "")")
            try log(place, "after restore \(round)")
            #expect(service.load.await { messages(place, "after restore \(round)") == 1 })
        }
        #expect(messages(place, "before the checkpoint") == 1)
        kill(service.load.root, SIGTERM)
        #expect(service.load.ended() == .exit(0))
    }

    @Test func `a program that logs there is connected to the daemon again`() throws {
        var service = try Service.make()
        let place = service.load.place
        let daemon = try spawn(try daemon(place), log: place + "/daemon.log", directory: place)
        defer { end([daemon]) }
        let listens = service.load.await { access(place + "/log-socket", F_OK) == 0 }
        try #require(listens, "\(service.load.contents("daemon.log"))")
        let program = """
            import logging.handlers, os, time
            log = logging.getLogger("job")
            log.addHandler(logging.handlers.SysLogHandler(address="\(place)/log-socket"))
            for number in range(3):
                while not os.path.exists(f"say.{number}"): time.sleep(0.01)
                log.warning(f"job says {number}.")
            """
        try service.load.start(["/usr/bin/python3", "-c", program])
        func says(_ number: Int) throws -> Bool {
            try write("", to: "\(place)/say.\(number)")
            return service.load.await { messages(place, "job says \(number).") == 1 }
        }
        let before = try says(0)
        #expect(before)
        #expect(try service.blockers("denied") == ["CRP210"])
        for round in 1...2 {
            let rule = "ext-unix-sk: [{path: \"\(place)/*\", type: dgram, on-restore: reconnect}]"
            let (out, back) = try service.cycle("client", allow: rule)
            try #require(out.ending == .exit(0), "\(out.output)")
            try #require(back?.ending == .exit(0), "\(back?.output ?? "")")
            let after = try says(round)
            #expect(after)
        }
        #expect(service.load.ended() == .exit(0))
    }
}
