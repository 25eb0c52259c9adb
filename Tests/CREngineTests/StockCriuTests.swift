import Foundation
import Glibc
import Testing

@testable import CREngine

/// Comparison with a stock criu and crit (`scripts/get-criu`), named by CRPLAN_CRIU and CRPLAN_CRIT.
@Suite(.serialized) struct StockCriuTests {
    private static func tool(_ variable: String) -> String? { ProcessInfo.processInfo.environment[variable] }

    private static func run(_ tool: String, _ arguments: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Reads a set, writes it anew and names the files whose bytes differ.
    private static func filesThatDiffer(_ directory: borrowing TemporaryDirectory) throws -> [String] {
        let source = try directory.open()
        let tree = try ImageSet.read(from: source)
        let copy = try TemporaryDirectory()
        let target = try copy.open()
        try ImageSet.write(tree, to: target)
        for ghost in tree.ghosts {
            try directory.write([], to: "content")
            let content = try OwnedFD.open(directory.path + "/content", O_RDWR)
            if ghost.isRegular { try GhostReader.copyContent(of: ghost, from: source, to: content) }
            try GhostWriter.write(ghost, contentFD: content.rawValue, to: target)
        }
        var different: [String] = []
        for name in try directory.names() where name.hasSuffix(".img") && !name.hasPrefix("pages-") {
            guard FileManager.default.fileExists(atPath: copy.path + "/" + name) else {
                different.append(name + " (absent)")
                continue
            }
            if try directory.contents(name) != copy.contents(name) { different.append(name) }
        }
        for task in tree.tasks {
            guard let pages = task.memory?.pages else { continue }
            let reader = try PagesReader(
                pages, named: ImageName.pagemap(task.pid), in: source)
            #expect(!reader.runs.isEmpty)
        }
        return different
    }

    @Test(.enabled(if: tool("CRPLAN_CRIU") != nil, "CRPLAN_CRIU names no criu"))
    func `a dump of stock criu is written again byte for byte`() throws {
        let criu = try #require(Self.tool("CRPLAN_CRIU"))
        let directory = try TemporaryDirectory()
        let pid = try Self.startSleeper()
        defer {
            _ = kill(pid, SIGKILL)
            _ = waitpid(pid, nil, 0)
        }
        #expect(try Self.run(criu, ["dump", "-t", "\(pid)", "-D", directory.path, "-o", "dump.log"]) == 0)
        let different = try Self.filesThatDiffer(directory)
        #expect(different == [])
    }

    /// For dumps made by hand: any directory of images.
    @Test(.enabled(if: tool("CRPLAN_IMAGES") != nil, "CRPLAN_IMAGES names no directory"))
    func `a given dump is written again byte for byte`() throws {
        let given = try #require(Self.tool("CRPLAN_IMAGES"))
        let directory = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: given) where name.hasSuffix(".img") {
            try FileManager.default.copyItem(atPath: given + "/" + name, toPath: directory.path + "/" + name)
        }
        let different = try Self.filesThatDiffer(directory)
        #expect(different == [])
    }

    @Test(.enabled(if: tool("CRPLAN_CRIT") != nil, "CRPLAN_CRIT names no crit"))
    func `crit decodes our files and encodes them again byte for byte`() throws {
        let crit = try #require(Self.tool("CRPLAN_CRIT"))
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        let tree = RichTree.make()
        try directory.write([UInt8](repeating: 7, count: 100_000), to: "content")
        let content = try OwnedFD.open(directory.path + "/content", O_RDONLY)
        try GhostWriter.write(RichTree.ghost(), contentFD: content.rawValue, to: fd)
        try ImageSet.write(tree, to: fd)
        var stats = DumpStatsImage()
        stats.frozenTime = 12
        stats.pagesWritten = 1 << 40
        try stats.write(to: fd)
        for name in try directory.names() where name.hasSuffix(".img") || name.hasPrefix("stats-") {
            let file = directory.path + "/" + name
            #expect(
                try Self.run(crit, ["decode", "-i", file, "-o", directory.path + "/text"]) == 0, "\(name)")
            #expect(
                try Self.run(
                    crit, ["encode", "-i", directory.path + "/text", "-o", directory.path + "/back"]) == 0)
            #expect(try directory.contents("back") == directory.contents(name), "\(name)")
        }
    }

    /// A session of its own that sleeps, without descriptors of the test.
    private static func startSleeper() throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSID))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for fd in 0..<3 as Range<Int32> {
            posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0)
        }
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        let name = strdup("sleep")
        let time = strdup("1000")
        defer {
            free(name)
            free(time)
        }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/bin/sleep", &actions, &attributes, [name, time, nil], nil)
        guard code == 0 else { throw Errno(rawValue: code) }
        // Dumped only once it sleeps: before that it may still be in execve(2).
        let deadline = ContinuousClock.now + .seconds(10)
        while try String(contentsOfFile: "/proc/\(pid)/wchan", encoding: .utf8) != "hrtimer_nanosleep" {
            if ContinuousClock.now > deadline { throw Errno.timedOut }
            usleep(1000)
        }
        return pid
    }
}
