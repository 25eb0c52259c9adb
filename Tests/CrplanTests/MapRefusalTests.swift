import Glibc
import TestSupport
import Testing

/// Who restores may not give a user namespace the maps that its image has: that is said in one line, before anything is made.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct MapRefusalTests {
    /// Programs that run crplan with less, and what it says then of a map of the host's root alone.
    @Test(arguments: [
        (
            "setpriv --bounding-set -setfcap --inh-caps -setfcap",
            "cannot be given its maps without CAP_SETFCAP"
        ),
        ("setpriv --bounding-set -setgid --inh-caps -setgid", "cannot be given its maps without CAP_SETGID"),
        ("unshare --user --map-user=5 --map-group=5", "and this process has no such ids to give"),
    ])
    func `a map that may not be written is refused`(_ wrapper: String, _ why: String) throws {
        try becomeSubreaper()
        let directory = try makeDirectory(in: "/tmp")
        let (place, images) = (directory + "/run", directory + "/images")
        let root = try spawn(
            [
                "/usr/bin/unshare", "--user", "--map-root-user", BuiltPrograms.subject, "--status",
                place + "/status", "plain",
            ], log: place + "/log", directory: place)
        defer {
            end([root])
            remove(directory)
        }
        try #require(
            poll(until: now() + 60) { text(of: place + "/status") == "ready\n" },
            "\(text(of: place + "/log") ?? "")")
        mkdir(images, 0o700)
        let dumped = try Command.run([BuiltPrograms.crplan, "dump", "-t", "\(root)", "-D", images])
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
        try #require(reap([root], until: now() + 20))
        let restore = [BuiltPrograms.crplan, "restore", "-D", images, "-d"]
        let words = wrapper.split(separator: " ").map(String.init)
        let refused = try Command.run(["/usr/bin/env"] + words + restore)
        #expect(refused.ending == .exit(1))
        let said = refused.output.split(separator: "\n").filter { $0.contains("user namespace of the tree") }
        #expect(said.first?.contains(why) == true, "\(refused.output)")
        #expect(said.allSatisfy { !$0.contains("cannot be set to") }, "\(refused.output)")
        #expect(statFields("/proc/\(root)/stat").isEmpty)
        let restored = try Command.run(restore)
        #expect(restored.ending == .exit(0), "\(restored.output)")
        try write("", to: place + "/status.check")
        #expect(wait(for: root, until: now() + 60) == .exit(0), "\(text(of: place + "/status") ?? "")")
    }
}
