import Glibc
import TestSupport
import Testing

@testable import CREngine

/// A restore gives back the whole tree or nothing: one line says why, and no process is left.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct RestoreRefusalTests {
    /// The restore must fail with one line that says all of this, and leave nothing.
    private func expectRefusal(
        _ dumped: borrowing DumpedSubject, _ options: [String] = [], saying parts: String...
    ) throws {
        let restored = try dumped.restore(options)
        #expect(restored.ending == .exit(1), "\(restored.output)")
        let lines = restored.output.split(separator: "\n").filter { !$0.contains("Restoring FAILED.") }
        #expect(lines.count == 1, "\(restored.output)")
        for part in parts { #expect(lines.first?.contains(part) == true, "\(restored.output)") }
        #expect(dumped.alive == [])
        #expect(strangers(under: dumped.directory) == [])
    }

    /// Processes that work in a directory: what a restore left, under whatever id.
    private func strangers(under directory: String) -> [Int32] {
        names(in: "/proc").compactMap { Int32($0) }.filter {
            link(at: "/proc/\($0)/cwd")?.hasPrefix(directory) == true
        }
    }

    private func dumped(_ words: String...) throws -> DumpedSubject {
        let subject = try DumpedSubject(words)
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        return subject
    }

    /// Every image without which the tree would not be whole.
    @Test(arguments: [
        "inventory.img", "pstree.img", "core-", "mm-", "pagemap-", "pages-", "files.img", "fs-",
    ])
    func `a missing image`(_ prefix: String) throws {
        let subject = try dumped("tree")
        let name = try #require(names(in: subject.images).last { $0.hasPrefix(prefix) })
        #expect(unlink(subject.images + "/" + name) == 0)
        try expectRefusal(subject, saying: name)
    }

    @Test(arguments: [
        "inventory.img", "pstree.img", "core-", "mm-", "pagemap-", "pages-", "files.img", "fs-",
    ])
    func `an image that is torn in its middle`(_ prefix: String) throws {
        let subject = try dumped("tree")
        let name = try #require(names(in: subject.images).last { $0.hasPrefix(prefix) })
        let path = subject.images + "/" + name
        var status = stat()
        #expect(stat(path, &status) == 0)
        // Not at the border of an entry: half a byte count is torn for certain.
        #expect(truncate(path, status.st_size - 3) == 0)
        try expectRefusal(subject, saying: name)
    }

    @Test func `an id that a running process has`() throws {
        let subject = try DumpedSubject(["plain"])
        try subject.dump(["-R"])
        let restored = try subject.restore()
        #expect(restored.ending == .exit(1))
        #expect(restored.output.contains("id \(subject.root): is taken by subject (a process)"))
        // Who has the id is left alone.
        #expect(subject.alive == [subject.root])
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
    }

    @Test func `an id that a zombie has`() throws {
        let subject = try DumpedSubject(["plain"])
        try subject.dump()
        try expectRefusal(
            subject, saying: "id \(subject.root): is taken by subject (a zombie of parent \(getpid()))")
    }

    @Test func `a file that has grown`() throws {
        let subject = try dumped("files")
        let file = try OwnedFD.open(subject.place + "/plain", O_WRONLY | O_APPEND)
        try file.writeAll(Array("more".utf8))
        try expectRefusal(subject, saying: subject.place + "/plain: has 14 bytes, and had 10 at the dump")
    }

    @Test func `a file that is gone`() throws {
        let subject = try dumped("files")
        #expect(unlink(subject.place + "/plain") == 0)
        try expectRefusal(subject, saying: subject.place + "/plain: cannot be found")
    }

    @Test func `a vdso of another kernel with a function that ours lacks`() throws {
        let subject = try dumped("plain")
        let directory = try OwnedFD.open(subject.images, O_RDONLY | O_DIRECTORY)
        let tree = try ImageSet.read(from: directory)
        let memory = try #require(tree.tasks.first?.memory)
        let area = try #require(memory.areas.first { $0.status.contains(.vdso) })
        let run = try #require(
            PagesReader(memory.pages, named: ImageName.pagemap(PID(subject.root)), in: directory).runs.first {
                $0.address <= area.start && area.start < $0.address + $0.pages * 4096
            })
        let pages = try OwnedFD.open(subject.images + "/pages-\(memory.pages.pagesID).img", O_RDWR)
        var page = [UInt8](repeating: 0, count: 4096)
        let offset = Int(run.fileOffset + (area.start - run.address))
        #expect(pread(pages.rawValue, &page, page.count, offset) == page.count)
        let found = BuildID.inELF(page)
        let buildID = try #require(found)
        // The id lies in the first page; another one is another build.
        let candidates = page.indices.first { page[$0...].starts(with: buildID) }
        let place = try #require(candidates)
        let other = [page[place] ^ 1]
        #expect(pwrite(pages.rawValue, other, 1, offset + place) == 1)
        let name = Array("__vdso_time\0".utf8)
        let names = page.indices.filter { page[$0...].starts(with: name) }
        let function = try #require(names.first)
        #expect(pwrite(pages.rawValue, Array("x".utf8), 1, offset + function + name.count - 2) == 1)
        try expectRefusal(subject, saying: "has the vdso of another kernel build", "restore on the kernel")
    }

    /// What is found too late for the preflight: half of the tree is made by then.
    @Test func `a descriptor that cannot be made amid the restore`() throws {
        let subject = try dumped("tree")
        try expectRefusal(
            subject, ["--pidfile", subject.directory + "/no-such-directory/pid"], saying: "no-such-directory")
    }

    @Test func `nothing is left of temporary names`() throws {
        let subject = try dumped("files")
        let before = names(in: subject.place)
        try expectRefusal(
            subject, ["--pidfile", subject.directory + "/no-such-directory/pid"], saying: "no-such-directory")
        #expect(names(in: subject.place) == before)
        // And the images are as good as before. The root that was half made is ours to reap.
        let isGone = subject.reapAll()
        #expect(isGone)
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
        #expect(text(of: subject.place + "/status") == "pass\n")
    }
}
