import CREngine
import Glibc
import TestSupport
import Testing

/// CRIU's options that say which groups a dump takes down and where a restore puts them.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct CgroupOptionTests {
    /// A group of the pids controller with one below it, in which a program sleeps.
    private struct Sleeper: ~Copyable {
        var load: Workload
        let mount: String
        let name: String

        /// Nil where there is no such hierarchy.
        init?() throws {
            let line = (text(of: "/proc/self/mounts") ?? "").split(separator: "\n").map {
                $0.split(separator: " ")
            }.first { $0[2] == "cgroup" && $0[3].split(separator: ",").contains("pids") }
            guard let line else { return nil }
            mount = String(line[1])
            name = "crplan-root-\(getpid())"
            for group in [name, name + "/inner"] { mkdir("\(mount)/\(group)", 0o755) }
            try write("99", to: "\(mount)/\(name)/pids.max")
            var load = try Workload()
            let list = "\(mount)/\(name)/inner/cgroup.procs"
            try load.start(["/bin/sh", "-c", "echo $$ > \(list) && exec sleep 600"])
            let root = load.root
            try #require(load.await { (text(of: "/proc/\(root)/comm") ?? "") == "sleep\n" })
            self.load = load
        }

        deinit {
            kill(load.root, SIGKILL)
            _ = reap([load.root], until: now() + 10)
            removeGroups()
        }

        func removeGroups() {
            for group in [name, name + "-moved"] {
                let place = "\(mount)/\(group)"
                _ = poll(until: now() + 10) {
                    rmdir(place + "/inner")
                    return rmdir(place) == 0 || errno == ENOENT
                }
            }
        }

        func dump(_ options: [String]) throws -> Command {
            mkdir(load.directory + "/images", 0o700)
            let words = [
                BuiltPrograms.crplan, "dump", "-t", "\(load.root)", "-D", load.directory + "/images",
            ]
            let command = try Command.run(words + options)
            if command.ending == .exit(0), !options.contains("-R") {
                try #require(reap([load.root], until: now() + 10))
                removeGroups()
            }
            return command
        }

        func image() throws -> CgroupImage {
            let directory = try OwnedFD.open(load.directory + "/images", O_RDONLY | O_DIRECTORY)
            return try #require(try ImageSet.read(from: directory).cgroups)
        }

        func restore(_ options: [String]) throws -> Command {
            let words = [BuiltPrograms.crplan, "restore", "-d", "-D", load.directory + "/images"]
            return try Command.run(words + options)
        }

        var group: String {
            let rows = (text(of: "/proc/\(load.root)/cgroup") ?? "").split(separator: "\n")
            return rows.first { $0.contains(":pids:") }.map(String.init) ?? ""
        }
    }

    @Test func `a restore puts the topmost group where --cgroup-root says`() throws {
        guard let sleeper = try Sleeper() else { return }
        let root = "pids:/\(sleeper.name)"
        let out = try sleeper.dump(["--cgroup-root", root])
        try #require(out.ending == .exit(0), "\(out.output)")
        let back = try sleeper.restore(["--cgroup-root", root + "-moved"])
        #expect(back.ending == .exit(0), "\(back.output)")
        #expect(sleeper.group.hasSuffix(":pids:/\(sleeper.name)-moved/inner"))
        #expect(text(of: "\(sleeper.mount)/\(sleeper.name)-moved/pids.max") == "99\n")
    }

    @Test func `a dump describes the controllers and control files that it is told to`() throws {
        guard let sleeper = try Sleeper() else { return }
        let rules = "pids: {strategy: replace, properties: [pids.current]}"
        let out = try sleeper.dump([
            "-R", "--cgroup-dump-controller", "pids", "--cgroup-root", "/\(sleeper.name)", "--cgroup-props",
            rules,
        ])
        try #require(out.ending == .exit(0), "\(out.output)")
        let image = try sleeper.image()
        #expect(image.controllers.map(\.names) == [["pids"]])
        let directory = try #require(image.controllers.first?.directories.first)
        #expect(directory.name == sleeper.name && directory.children.map(\.name) == ["inner"])
        let files = directory.properties.map(\.name)
        #expect(files.contains("pids.current") && !files.contains("pids.max"))
    }

    @Test func `a yard is where the hierarchies are looked for`() throws {
        guard let sleeper = try Sleeper() else { return }
        let out = try sleeper.dump(["--cgroup-yard", sleeper.mount])
        try #require(out.ending == .exit(0), "\(out.output)")
        let none = try sleeper.restore(["--cgroup-yard", sleeper.load.directory])
        #expect(none.ending == .exit(1) && none.output.contains("is not mounted here"), "\(none.output)")
        let back = try sleeper.restore(["--cgroup-yard", sleeper.mount])
        #expect(back.ending == .exit(0), "\(back.output)")
        #expect(sleeper.group.hasSuffix(":pids:/\(sleeper.name)/inner"))
    }

    @Test func `control files that cannot be read from a file are told in one line`() throws {
        guard let sleeper = try Sleeper() else { return }
        let missing = try sleeper.dump(["-R", "--cgroup-props-file", "/no/such"])
        #expect(missing.ending == .exit(1) && missing.output.contains("/no/such: the file cannot be read"))
        let wrong = try sleeper.dump(["-R", "--cgroup-props", "pids: x"])
        #expect(wrong.ending == .exit(1) && wrong.output.contains("expected strategy: and properties:"))
    }
}
