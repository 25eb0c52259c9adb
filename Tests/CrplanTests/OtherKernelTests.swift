import Glibc
import TestSupport
import Testing

@testable import CREngine

/// Images of another build of the kernel: those of this one, with a vdso whose functions are elsewhere.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct OtherKernelTests {
    /// Gives a symbol of every task's vdso in the images another value.
    private func move(_ name: String, to value: UInt64, in images: String) throws {
        let directory = try OwnedFD.open(images, O_RDONLY | O_DIRECTORY)
        let tree = try ImageSet.read(from: directory)
        for task in tree.tasks {
            guard let memory = task.memory,
                let area = memory.areas.first(where: { $0.status.contains(.vdso) })
            else { continue }
            let reader = try PagesReader(
                memory.pages, named: ImageName.pagemap(task.pid), in: directory)
            let run = try #require(
                reader.runs.first {
                    $0.address <= area.start && area.start < $0.address + $0.pages * UInt64(pageSize)
                })
            let file = try OwnedFD.openat(
                directory.rawValue, ImageName.pages(memory.pages.pagesID), O_RDWR)
            let place = Int(run.fileOffset + (area.start - run.address))
            var bytes = [UInt8](repeating: 0, count: Int(area.end - area.start))
            let count = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
                try file.readAll(into: UnsafeMutableRawBufferPointer(buffer), at: place)
            }
            try #require(count == bytes.count)
            let old = try #require(VDSOSymbols.functions(of: bytes)?[name])
            // Wherever the symbol's value stands, but in the code.
            for offset in stride(from: 0, to: 0x600, by: 8) {
                let word = bytes[offset..<offset + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                if word == old {
                    bytes.replaceSubrange(offset..<offset + 8, with: withUnsafeBytes(of: value) { Array($0) })
                }
            }
            try #require(VDSOSymbols.functions(of: bytes)?[name] == value)
            // Another build has another build id, which tells it apart.
            if let note = bytes.firstRange(of: Array("GNU\0".utf8)) { bytes[note.upperBound] ^= 0xff }
            try bytes.withUnsafeBufferPointer { (buffer) throws(Errno) -> Void in
                try file.writeAll(UnsafeRawBufferPointer(buffer), at: place)
            }
        }
    }

    @Test(arguments: ["clocks", "timers", "threads"])
    func `programs go on with the functions of this kernel`(_ name: String) throws {
        let subject = try DumpedSubject([name])
        try subject.dump()
        let isGone = subject.reapAll()
        try #require(isGone)
        let own = try OwnVDSO()
        let directory = try OwnedFD.open(subject.images, O_RDONLY | O_DIRECTORY)
        let old = try ImageSet.read(from: directory).tasks[0].memory?.areas.first {
            $0.status.contains(.vdso)
        }
        let oldStart = try #require(old).start
        /// Whether the kernel's vdso is where the image has its own, and whether it is anywhere.
        func places(_ pid: Int32) throws -> (atOldPlace: Bool, isThere: Bool) {
            let lines = (text(of: "/proc/\(pid)/maps") ?? "").split(separator: "\n").filter {
                $0.hasSuffix("[vdso]")
            }
            return (lines.contains { $0.hasPrefix(String(oldStart, radix: 16) + "-") }, lines.count == 1)
        }
        // Behind the last page of code there is room that nobody calls.
        try move("__vdso_getcpu", to: own.code.size - 64, in: subject.images)
        let restored = try subject.restore()
        #expect(restored.ending == .exit(0), "\(restored.output)")
        #expect(try places(subject.root) == (atOldPlace: false, isThere: true))
        // What was restored so is ordinary, with its vdso where that is now.
        let again = subject.directory + "/again"
        mkdir(again, 0o700)
        let dumped = try Command.run([BuiltPrograms.crplan, "dump", "-t", "\(subject.root)", "-D", again])
        #expect(dumped.ending == .exit(0), "\(dumped.output)")
        let isGoneAgain = subject.reapAll()
        #expect(isGoneAgain)
        let twice = try Command.run([BuiltPrograms.crplan, "restore", "-D", again, "-d"])
        #expect(twice.ending == .exit(0), "\(twice.output)")
        #expect(try places(subject.root) == (atOldPlace: false, isThere: true))
        try write("", to: subject.place + "/status.check")
        #expect(wait(for: subject.root, until: now() + 60) == .exit(0))
        #expect(text(of: subject.place + "/status") == "pass\n")
    }
}
