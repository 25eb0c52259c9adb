import CREngine
import Glibc
import TestSupport
import Testing

/// Files of file systems other than the root's: of memory, of layers, mounted anew between dump and restore, and covered.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canApply, "needs root, and a crplan that has apply and restore"))
struct FileSystemTests {
    /// Mounts that are taken away at the end, the last one first.
    private final class Mounts {
        let directory: String
        private var points: [String] = []
        var place: String { directory + "/mounted" }

        init() throws {
            directory = try makeDirectory(in: "/tmp")
            for name in ["mounted", "lower", "layers"] { mkdir("\(directory)/\(name)", 0o755) }
        }

        deinit {
            for point in points.reversed() { umount2(point, Int32(MNT_DETACH)) }
            remove(directory)
        }

        func mount(_ type: String, on point: String, options: String = "rw") throws {
            let command = try Command.run(["/usr/bin/mount", "-t", type, "-o", options, "crplan-test", point])
            try #require(command.ending == .exit(0), "\(command.output)")
            points.append(point)
        }

        func unmount() throws {
            let point = points.removeLast()
            try #require(umount2(point, 0) == 0)
        }

        /// One layer that is read, and one in memory that is written.
        func mountLayers() throws {
            let options =
                "lowerdir=\(directory)/lower,upperdir=\(directory)/layers/u,workdir=\(directory)/layers/w"
            try mount("overlay", on: place, options: options)
        }

        func prepareLayers() throws {
            try Mounts.fill(directory + "/lower")
            try mount("tmpfs", on: directory + "/layers")
            for name in ["u", "w"] { mkdir("\(directory)/layers/\(name)", 0o755) }
        }

        /// Two volumes of one file system of a file: stat(2) gives each a device number that no list of mounts and of
        /// mappings has.
        func mountVolumes() throws {
            let image = directory + "/image"
            try write("", to: image)
            try #require(truncate(image, 128 << 20) == 0)
            try run(["/usr/sbin/mkfs.btrfs", "--quiet", image])
            try run(["/usr/bin/mount", "-o", "loop", image, place])
            points.append(place)
            try run(["/usr/bin/btrfs", "subvolume", "create", place + "/volume"])
        }

        private func run(_ words: [String]) throws {
            let command = try Command.run(words)
            try #require(command.ending == .exit(0), "\(command.output)")
        }

        static func fill(_ place: String) throws {
            try write(String(repeating: "0123456789", count: 500), to: place + "/file")
        }
    }

    private func carry(
        _ mounts: Mounts, in volume: String = "", between: () throws -> Void = {}
    ) throws {
        var load = try Workload()
        let place = load.place
        try load.start([
            BuiltPrograms.subject, "--status", place + "/status", "placed", mounts.place + volume,
        ])
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(load.contents("status"))")
        let out = try load.checkpoint("placed")
        try #require(out.ending == .exit(0), "\(out.output)")
        try between()
        let back = try load.restore("placed")
        try #require(back.ending == .exit(0), "\(back.output)")
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }

    @Test func `files in memory are carried`() throws {
        let mounts = try Mounts()
        try mounts.mount("tmpfs", on: mounts.place)
        try Mounts.fill(mounts.place)
        try carry(mounts)
    }

    @Test func `files of layers are carried, of which stat(2) and the list of mappings give other devices`()
        throws
    {
        let mounts = try Mounts()
        try mounts.prepareLayers()
        try mounts.mountLayers()
        try carry(mounts)
    }

    static var hasVolumes: Bool {
        access("/usr/sbin/mkfs.btrfs", X_OK) == 0
            && (text(of: "/proc/filesystems") ?? "").contains("\tbtrfs\n")
    }

    @Test(
        .enabled(if: hasVolumes, "needs a kernel with btrfs, and btrfs-progs"),
        arguments: ["", "/volume"])
    func `files of btrfs are carried, whose volumes have devices of their own`(_ volume: String) throws {
        let mounts = try Mounts()
        try mounts.mountVolumes()
        try Mounts.fill(mounts.place + volume)
        try carry(mounts, in: volume)
    }

    /// Those for which the kernel tells the device of a file in another way than by stat(2), and what they need.
    static let onVolumes: [(subject: String, options: [String])] = [
        ("files", []), ("memory", []), ("unix listen", []), ("notify", []), ("notify fanotify", []),
        ("pathonly", []), ("ghosts attributes", []), ("locks", ["--dump-option", "--file-locks"]),
        ("locks leases", ["--dump-option", "--file-locks"]), ("links", ["--dump-option", "--link-remap"]),
    ]

    @Test(.enabled(if: hasVolumes, "needs a kernel with btrfs, and btrfs-progs"))
    func `subjects keep what they have on a volume of btrfs`() throws {
        let mounts = try Mounts()
        try mounts.mountVolumes()
        for row in Self.onVolumes {
            let words = [
                BuiltPrograms.subjectRunner, "--tool", BuiltPrograms.crplan, "--work",
                mounts.place + "/volume",
                "--steps", "dump,restore,check",
            ]
            let run = try Command.run(
                words + row.options + row.subject.split(separator: " ").map(String.init), timeout: 60)
            #expect(run.ending == .exit(0), "\(row.subject): \(run.output)")
        }
    }

    @Test func `a file system that is mounted anew has another id, and the same files`() throws {
        let mounts = try Mounts()
        try mounts.prepareLayers()
        try mounts.mountLayers()
        try carry(mounts) {
            try mounts.unmount()
            // Takes the number that is free now.
            try mounts.mount("tmpfs", on: mounts.directory + "/lower")
            try mounts.unmount()
            try mounts.mountLayers()
        }
    }

    @Test func `files that a mount covers are refused, and left as they are`() throws {
        let mounts = try Mounts()
        try Mounts.fill(mounts.place)
        var load = try Workload()
        let place = load.place
        try load.start([BuiltPrograms.subject, "--status", place + "/status", "placed", mounts.place])
        try #require(load.await { text(of: place + "/status") == "ready\n" }, "\(load.contents("status"))")
        try mounts.mount("tmpfs", on: mounts.place)
        let policy = try load.writePolicy("covered", pids: [load.root])
        let plan = try PlannedFindings(of: policy)
        #expect(!plan.isReady)
        let finding = try #require(plan.blocker("CRP101"), "\(plan.text)")
        #expect(finding.what.contains(mounts.place), "\(finding.what)")
        let out = try Command.run([BuiltPrograms.crplan, "apply", policy])
        #expect(out.ending == .exit(3), "\(out.output)")
        try mounts.unmount()
        try write("", to: place + "/status.check")
        #expect(load.ended() == .exit(0), "\(load.contents("status"))")
    }
}
