import ArgumentParser
import Testing

@testable import crplan

/// Each option of CRIU that a tree of a host can need, in every way that getopt_long(3) takes it. criu has one list for all
/// its commands.
@Suite struct CRIUOptionTests {
    private static func parse(_ words: String) throws {
        _ = try Crplan.parseAsRoot(CRIUSpelling.words(words.split(separator: " ").map(String.init)))
    }

    private static func dump(_ words: String) throws -> DumpCommand {
        let all = CRIUSpelling.words(("dump -t 12 " + words).split(separator: " ").map(String.init))
        return try #require(try Crplan.parseAsRoot(all) as? DumpCommand)
    }

    private static func restore(_ words: String) throws -> RestoreCommand {
        let all = CRIUSpelling.words(("restore " + words).split(separator: " ").map(String.init))
        return try #require(try Crplan.parseAsRoot(all) as? RestoreCommand)
    }

    static let accepted = [
        "-o log", "-olog", "--log-file log", "--log-file=log",
        "-v", "-vv", "-vvvv", "-v0", "-v4", "--verbosity", "--verbosity=4",
        "-j", "--shell-job", "-R", "--leave-running", "-s", "--leave-stopped",
        "-d", "--restore-detached", "-S", "--restore-sibling", "--pidfile pid", "--pidfile=pid", "--log-pid",
        "-D /tmp", "-D/tmp", "--images-dir /tmp", "--images-dir=/tmp", "-W /tmp", "-W/tmp", "--work-dir=/tmp",
        "-t 12", "-t12", "--tree 12", "--tree=12",
        "-x", "-x12", "-x12,13", "--ext-unix-sk", "--ext-unix-sk=12",
        "--evasive-devices", "--link-remap", "--ghost-limit 2M", "--ghost-limit=65536", "--ghost-fiemap",
        "--tcp-established", "--tcp-close", "--skip-in-flight", "-l", "--file-locks",
        "--action-script true", "--action-script=true", "--inherit-fd fd[3]:pipe[12]",
        "-J net:/x", "-Jnet:12", "--join-ns uts:/x", "--join-ns=time:12", "-J mnt:/x",
        "--join-ns=user:12", "--join-ns user:/x,0,0", "--empty-ns net",
        "--manage-cgroups", "--manage-cgroups=full", "--freeze-cgroup /sys/fs/cgroup/x",
        "--cgroup-root /x", "--cgroup-root pids:/x --cgroup-root=/y", "--cgroup-dump-controller pids",
        "--cgroup-props cpu:{strategy:,merge}", "--cgroup-props-file /tmp/x", "--cgroup-yard /sys/fs/cgroup",
        "--prev-images-dir ../1", "--track-mem", "--timeout 5", "--timeout=5",
        "--network-lock nftables", "--network-lock=iptables", "--network-lock skip",
        "--file-validation filesize", "--file-validation=buildid", "--skip-file-rwx-check",
        "--force-irmap", "--irmap-scan-path /tmp", "--cpu-cap", "--cpu-cap=cpu,^ins",
        "-Rj", "-jl", "-dj", "--no-shell-job", "--no-tcp-established", "--no-link-remap",
    ]

    @Test(arguments: accepted, ["dump", "restore"])
    func `an option is taken by a dump and a restore alike`(_ option: String, _ command: String) throws {
        let root = command == "dump" && !["-t", "--tree"].contains(where: option.hasPrefix) ? " -t 12" : ""
        #expect(throws: Never.self, "\(command) \(option)") {
            try Self.parse("\(command)\(root) \(option)")
        }
    }

    /// What a build may not know yet is told as CRIU's.
    @Test(
        arguments: [
            "-r /x", "--root /x", "-M /x:y", "--ext-mount-map /x:y", "--veth-pair a=b",
            "--enable-fs tmpfs", "--lazy-pages", "--stream",
        ], ["dump -t 12", "restore"])
    func `an option of CRIU is taken or named`(_ option: String, _ command: String) {
        do {
            _ = try Self.parse("\(command) \(option)")
        } catch {
            let message = Crplan.message(for: error)
            #expect(CRIUOption.unknown(in: message) != nil, "\(message)")
        }
    }

    @Test func `values arrive`() throws {
        #expect(try Self.dump("-D/a -W/b -oc -v").imagesDirectory == "/a")
        #expect(try Self.dump("-D/a -W/b -oc -v").verbosity == 3)
        #expect(try Self.dump("--verbosity").verbosity == 3)
        #expect(try Self.dump("--verbosity=1").verbosity == 1)
        #expect(try Self.dump("--manage-cgroups -R").manageCgroups == "soft")
        #expect(try Self.dump("--cpu-cap -R").cpuCap == "all")
        #expect(try Self.dump("-x12,13").socketsWithOutsideServers == ["12,13"])
        #expect(try Self.dump("--cgroup-root pids:/x").cgroupArguments.roots == ["pids:/x"])
        let restore = try Self.restore("-d -S -j --inherit-fd fd[3]:x --pidfile=p")
        #expect(restore.isDetached && restore.isSibling && restore.shellJob)
        #expect(restore.inheritedFDs == ["fd[3]:x"] && restore.pidfile == "p")
    }

    @Test func `a flag is taken back by its negation, and given again behind that`() throws {
        #expect(try !Self.dump("--tcp-established --no-tcp-established").tcpEstablished)
        #expect(try Self.dump("--no-tcp-established --tcp-established").tcpEstablished)
        #expect(try !Self.dump("-j --no-shell-job").shellJob)
        #expect(try !Self.restore("-d --no-restore-detached").isDetached)
    }

    @Test(arguments: ["--cgroup-root x", "--cgroup-root pids:/../x", "--cgroup-root x/y", "--verbosity=9"])
    func `a value that means nothing is refused`(_ option: String) {
        #expect(throws: (any Error).self) { try Self.dump(option) }
    }
}
