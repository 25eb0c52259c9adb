import CREngine
import Glibc
import TestSupport
import Testing

/// Clients of unix servers outside the tree, by the rules of `allow.ext-unix-sk`.
@Suite(
    .serialized, .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct UnixServerTests {
    private static let reconnect = """
        ext-unix-sk:
            - {path: "**/stream", type: stream}
            - {path: "**/packets", type: seqpacket, on-restore: reconnect}
            - {path: "**/nothing", type: any}
            - {type: dgram}
        """
    private static let close = """
        ext-unix-sk:
            - {path: "@*", on-restore: close}
            - {type: any, on-restore: close}
        """

    private func policy(_ group: borrowing SubjectGroup, _ rules: String) throws -> String {
        let path = group.directory + "/servers.yaml"
        try write(
            """
            version: 1
            name: servers
            select: [{pid: \(group.members[0].root)}]
            allow:
              \(rules)
            store: {path: \(group.store)}

            """, to: path)
        return path
    }

    /// A policy for one process of any kind.
    private func policy(
        _ group: borrowing SubjectGroup, pid: Int32, _ rules: String
    ) throws -> String {
        let path = group.directory + "/stream.yaml"
        try write(
            """
            version: 1
            name: stream
            select: [{pid: \(pid)}]
            allow: {\(rules)}
            store: {path: \(group.store)}

            """, to: path)
        return path
    }

    /// A subject with a socket whose other end is held by its parent, outside the tree; as journald has it with stdout.
    private func startBeside(_ group: inout SubjectGroup, socketAt fd: Int32) throws -> Int32 {
        let program = """
            import os, socket, sys
            subject, status, number = sys.argv[1:4]
            ours, theirs = socket.socketpair()
            child = os.fork()
            if child == 0:
                os.setsid()
                ours.close()
                os.dup2(theirs.fileno(), int(number))
                os.execv(subject, [subject, "--status", status, "plain"])
            theirs.close()
            with open("child.new", "w") as out:
                out.write(str(child))
            os.rename("child.new", "child")
            os.waitpid(child, 0)
            """
        try write(program, to: group.directory + "/parent.py")
        let place = "\(group.directory)/run/0"
        try group.start(
            "plain",
            program: [
                "/usr/bin/python3", group.directory + "/parent.py", BuiltPrograms.subject, place + "/status",
                "\(fd)",
            ])
        try #require(group.laggards() == [])
        _ = group.await { text(of: place + "/child") != nil }
        return try #require(Int32(text(of: place + "/child") ?? ""))
    }

    private func link(_ path: String) -> String {
        var link = [CChar](repeating: 0, count: 256)
        readlink(path, &link, 255)
        return String(decoding: link.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test func `a socket whose peer has no name is given at restore`() throws {
        var group = try SubjectGroup()
        let child = try startBeside(&group, socketAt: 9)
        let socket = link("/proc/\(child)/fd/9")
        let images = group.directory + "/images"
        mkdir(images, 0o700)
        let inode = socket.dropFirst("socket:[".count).dropLast()
        let dumped = try crplan(["dump", "-t", "\(child)", "-D", images, "--ext-unix-sk=\(inode)"])
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
        _ = reap([group.members[0].root], until: now() + 10)
        let refused = try crplan(["restore", "-D", images, "-d", "-x"])
        #expect(refused.ending == .exit(1))
        #expect(
            refused.output.contains(
                "\(socket): had an outside end without a name and was not given; restore with --inherit-fd "
                    + "fd[N]:\(socket)"), "\(refused.output)")
        let words = "restore -D \(images) -d --inherit-fd 'fd[7]:\(socket)'"
        let restored = try Command.run(
            ["/bin/bash", "-c", "exec 7<>/dev/null; exec \(BuiltPrograms.crplan) \(words)"])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(link("/proc/\(child)/fd/9") == "/dev/null")
        #expect(group.verdicts() == [])
        end([child])
    }

    @Test func `a standard stream to a collector outside becomes what the rule says`() throws {
        var group = try SubjectGroup()
        let child = try startBeside(&group, socketAt: 1)
        let blocked = try crplan(["plan", try policy(group, pid: child, "stdio: []")])
        #expect(blocked.ending == .exit(3))
        #expect(blocked.output.contains("CRP109 stdout on unix stream"), "\(blocked.output)")
        let output = group.directory + "/stdout"
        let applied = try crplan(
            [
                "apply",
                try policy(
                    group, pid: child, "stdio: [{kind: stream-socket, on-restore: \"file:\(output)\"}]"),
            ])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        _ = reap([group.members[0].root], until: now() + 10)
        let checkpoint = try #require(try Store(path: group.store).checkpoints().first)
        let restored = try restore(group, checkpoint)
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(link("/proc/\(child)/fd/1") == output)
        #expect(group.verdicts() == [])
        end([child])
    }

    private func crplan(_ words: [String]) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words, timeout: 60)
    }

    private func restore(_ group: borrowing SubjectGroup, _ checkpoint: Checkpoint) throws -> Command {
        try crplan(["restore", checkpoint.path, "-d"])
    }

    private func dumped(_ group: borrowing SubjectGroup, _ rules: String) throws -> Checkpoint {
        let tree = processTree(of: group.members[0].root)
        let applied = try crplan(["apply", try policy(group, rules)])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        try #require(reap(tree, until: now() + 30))
        return try #require(try Store(path: group.store).checkpoints().first)
    }

    @Test func `without a rule each connection blocks, with the rule that would allow it`() throws {
        var group = try SubjectGroup()
        try group.start("unix outside-all")
        try #require(group.laggards() == [])
        let planned = try crplan([
            "plan", try policy(group, "ext-unix-sk: [{path: /elsewhere/*, type: any}]"),
        ])
        #expect(planned.ending == .exit(3))
        let text = planned.output.split { $0 == "\n" || $0 == " " }.joined(separator: " ")
        for type in ["stream", "seqpacket", "dgram"] {
            #expect(text.contains("type: \(type), on-restore: reconnect}]}"), "\(planned.output)")
        }
        #expect(text.contains("allow: {ext-unix-sk: [{path: \"@crplan-outside-"), "\(planned.output)")
        #expect(group.verdicts() == [])
    }

    @Test func `what is reconnected is known to its server as the program itself`() throws {
        var group = try SubjectGroup()
        try group.start("unix outside-all")
        try #require(group.laggards() == [])
        let checkpoint = try dumped(group, Self.reconnect)
        let restored = try restore(group, checkpoint)
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(group.verdicts() == [])
    }

    @Test func `what is closed looks like a server that went away`() throws {
        var group = try SubjectGroup()
        try group.start("unix outside-closed")
        try #require(group.laggards() == [])
        let checkpoint = try dumped(group, Self.close)
        let restored = try restore(group, checkpoint)
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(group.verdicts() == [])
    }

    @Test func `a server that is gone is told before anything is made, in a line each`() throws {
        var group = try SubjectGroup()
        try group.start("unix outside-all")
        try #require(group.laggards() == [])
        let checkpoint = try dumped(group, Self.reconnect)
        let place = group.members[0].directory
        try #require(rename("\(place)/stream", "\(place)/elsewhere") == 0)
        let refused = try restore(group, checkpoint)
        #expect(refused.ending == .exit(1))
        #expect(
            refused.output.contains(
                "\(place)/stream: the server's socket cannot be found: No such file or directory (ENOENT); "
                    + "start it, or dump with on-restore: close"))
        #expect(statFields("/proc/\(group.members[0].root)/stat").isEmpty)
        try #require(rename("\(place)/elsewhere", "\(place)/stream") == 0)
        let restored = try restore(group, checkpoint)
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(group.verdicts() == [])
    }

    @Test func `a stream that is named by its inode needs the option at restore, as criu has it`() throws {
        let subject = try DumpedSubject(["unix", "outside-all"])
        let inodes = [3, 4].map { fd in
            let text = link("/proc/\(subject.root)/fd/\(fd)")
            return String(text.dropFirst("socket:[".count).dropLast())
        }
        let words = ["dump", "-t", "\(subject.root)", "-D", subject.images, "-x"]
        let refused = try crplan(words)
        #expect(refused.ending == .exit(1) && refused.output.contains("[ext-unix-sk] unix stream"))
        try subject.dump(["--ext-unix-sk=" + inodes.joined(separator: ",")])
        let isGone = subject.reapAll()
        try #require(isGone)
        let told = try subject.restore()
        #expect(told.ending == .exit(1))
        #expect(
            told.output.contains(
                "stream: is a server outside the tree that a stream socket was connected to; give --ext-unix-sk"
            ))
        let restored = try subject.restore(["-x"])
        #expect(restored.ending == .exit(0), "\(restored.output)")
        try write("", to: subject.place + "/status.check")
        #expect(poll(until: now() + 30) { text(of: subject.place + "/status") != "ready\n" })
        #expect(text(of: subject.place + "/status") == "pass\n")
    }
}
