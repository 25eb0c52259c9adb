import Glibc
import TestSupport
import Testing

/// Trees with mounts of each kind that containers are made of, by the options that speak of them.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct MountTreeTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var kinds = ["--mount", "--pid"]
        var outside = ""
        let inside: String
        let subject: [String]
        /// Options of dump and restore.
        var dump = ["--external", "mnt[]"]
        var restore = ["--external", "mnt[]"]
        /// Run where crplan works, in between.
        var meanwhile = ""
    }

    private static let overlay = """
        mkdir low up work whole; echo lower > low/one; echo gone > low/two
        mount -t overlay o -o lowerdir=$PWD/low,upperdir=$PWD/up,workdir=$PWD/work whole
        """
    private static let inOverlay = ["mounts", "made", "cat whole/one whole/three", "ls whole"]
    private static let keepsAll = ["--external", "mnt[/data]:DATA", "--external", "mnt[]"]

    static let rows = [
        Row(
            testDescription: "an overlay of its own",
            inside: overlay + "\nrm whole/two; echo upper > whole/three", subject: inOverlay,
            dump: ["--external", "mnt[]", "--enable-fs", "overlay"]),
        Row(
            testDescription: "an overlay from outside, bound", outside: overlay,
            inside: "rm whole/two; echo upper > whole/three; mkdir b; mount --bind whole b",
            subject: inOverlay),
        Row(
            testDescription: "an overlay as the root",
            outside: """
                mkdir ../low ../up ../work ../root ../data; echo outside > ../data/file
                mount -t overlay o -o lowerdir=$D/low,upperdir=$D/up,workdir=$D/work ../root
                """,
            inside: Box.pivoting.replacing("mkdir ../root; ", with: "").replacing(
                "cd ../root", with: "cd ../root; echo in > written"),
            subject: ["mounts", "made", "cat /written /data/file /tmp/file"], dump: keepsAll,
            restore: ["--external", "mnt[DATA]:$D/data", "--external", "mnt[]", "--root", "$D/root"]),
        Row(
            testDescription: "a root elsewhere, a mount from elsewhere, by -M",
            outside: "mkdir ../data; echo outside > ../data/file", inside: Box.pivoting,
            subject: ["views", "cat /data/file /tmp/file; cut -d' ' -f5 /proc/self/mountinfo | sort"],
            dump: ["-M", "/data:DATA", "--external", "mnt[]"],
            restore: ["-M", "DATA:$D/moved", "--external", "mnt[]", "--root", "$D/other"],
            meanwhile: "mv ../root ../other; mv ../data ../moved"),
        Row(
            testDescription: "a tree of mounts bound as a whole",
            inside: """
                mkdir a b; mount -t tmpfs a a; mkdir a/in; mount -t tmpfs i a/in; echo in > a/in/file
                mount --make-rshared a; mount --rbind a b; mount --make-rslave b
                """,
            subject: ["mounts", "made", "cat b/in/file; mount -t tmpfs l a/in && ls b/in; umount a/in"]),
        Row(
            testDescription: "queues, groups and settings of an ipc namespace",
            kinds: ["--mount", "--pid", "--ipc"],
            inside: """
                mkdir q; mount -t mqueue q q
                sysctl -q -w kernel.msgmax=7000 kernel.shmmni=77 'kernel.sem=200 3000 40 50' fs.mqueue.queues_max=33
                ipcmk -Q >/dev/null; ipcmk -S 3 >/dev/null; ipcmk -M 5000 >/dev/null
                """,
            subject: [
                "mounts", "made", "sysctl kernel.msgmax kernel.shmmni kernel.sem fs.mqueue.queues_max",
                "ipcs | grep 0x", "ls -d q",
            ]),
    ]

    @Test(arguments: rows)
    func `mounts of a container come back as they were`(_ row: Row) throws {
        let box = try Box(row.kinds, outside: row.outside, inside: row.inside, subject: row.subject)
        let images = try makeDirectory(in: box.directory)
        let tree = processTree(of: box.root)
        let dumped = try box.crplan(["dump", "-t", "\(box.root)", "-D", images] + row.dump)
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
        #expect(box.isGone(tree))
        if !row.meanwhile.isEmpty { try box.expect(row.meanwhile) }
        let options = row.restore.map { $0.replacing("$D", with: box.directory) }
        let restored = try box.restored(["restore", "-D", images] + options)
        try #require(restored.ending == .exit(0), "\(restored.output)")
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    @Test func `a mount that is left out is not there`() throws {
        let inside =
            "mkdir t; echo below > t/file; mount -t tmpfs t t; echo above > t/file; mkdir t/in; mount -t tmpfs i t/in"
        let box = try Box(["--mount"], inside: inside, subject: ["views", "hostname"])
        let images = try makeDirectory(in: box.directory)
        let tree = processTree(of: box.root)
        let dumped = try box.crplan(
            [
                "dump", "-t", "\(box.root)", "-D", images, "--external", "mnt[]", "--skip-mnt",
                box.place + "/t",
            ])
        try #require(dumped.ending == .exit(0), "\(dumped.output)")
        #expect(box.isGone(tree))
        let restored = try box.restored(["restore", "-D", images, "--external", "mnt[]"])
        try #require(restored.ending == .exit(0), "\(restored.output)")
        #expect(text(of: "/proc/\(box.root)/root\(box.place)/t/file") == "below\n")
        #expect(text(of: "/proc/\(box.root)/mountinfo")?.contains("/run/t") == false)
        #expect(try box.verdict().says == "pass\n")
    }

    @Test func `hard links on a mount from outside go with their checkpoint`() throws {
        let box = try Box(
            ["--mount", "--pid"], outside: "mkdir ../data", inside: Box.pivoting, subject: ["links", "kept"])
        let place = box.place
        func links() -> Set<String> { Set(names(in: place).filter { $0.hasPrefix("link_remap.") }) }
        var before: Set<String> = []
        for _ in 0..<2 {
            let policy = try box.policy(
                allow: "{link-remap: true, ext-mount-map: \(box.pivotedMap())}",
                more: ["retention: {keep-last: 1}"])
            let tree = processTree(of: box.root)
            let applied = try box.crplan(["apply", policy])
            try #require(applied.ending == .exit(0), "\(applied.output)")
            #expect(box.isGone(tree))
            // Two files; those of the checkpoint before have gone with it, though the tree that they were made in is dead.
            #expect(links().count == 2 && links().isDisjoint(with: before), "\(links()), before \(before)")
            before = links()
            let restored = try box.restore()
            try #require(restored.ending == .exit(0), "\(restored.output)")
        }
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }

    @Test func `hard links in a file system of the tree's own are in its image`() throws {
        let inside = "mkdir t; mount -t tmpfs t t; cd t"
        let box = try Box(["--mount"], inside: inside, subject: ["links"])
        let policy = try box.policy(allow: "{link-remap: true, ext-mount-map: auto}")
        let tree = processTree(of: box.root)
        let applied = try box.crplan(["apply", policy])
        try #require(applied.ending == .exit(0), "\(applied.output)")
        #expect(box.isGone(tree))
        for _ in 0..<2 {
            try box.endRestored()
            let restored = try box.restore()
            try #require(restored.ending == .exit(0), "\(restored.output)")
        }
        let verdict = try box.verdict()
        #expect(verdict.says == "pass\n", "\(verdict)")
    }
}
