import Foundation
import Glibc
import Testing

@testable import CREngine

@Suite struct ImageSetTests {
    /// Writes the rich tree with the deleted file that it names.
    private static func write(_ tree: TreeImage, to directory: borrowing TemporaryDirectory) throws {
        let fd = try directory.open()
        for ghost in tree.ghosts {
            try directory.write([UInt8](repeating: 7, count: Int(ghost.size)), to: "content")
            let content = try OwnedFD.open(directory.path + "/content", O_RDONLY)
            try GhostWriter.write(ghost, contentFD: content.rawValue, to: fd)
            try FileManager.default.removeItem(atPath: directory.path + "/content")
        }
        try ImageSet.write(tree, to: fd)
    }

    @Test func `a tree comes back from its files as it was`() throws {
        let directory = try TemporaryDirectory()
        let tree = RichTree.make()
        try Self.write(tree, to: directory)
        let read = try ImageSet.read(from: try directory.open())
        #expect(read.inventory == tree.inventory)
        #expect(read.files == tree.files)
        for (task, expected) in zip(read.tasks, tree.tasks) {
            for (thread, expectedThread) in zip(task.threads, expected.threads) {
                #expect(thread.xsave == expectedThread.xsave)
                #expect(thread == expectedThread)
            }
            #expect(task.process == expected.process)
            #expect(task.memory == expected.memory)
            #expect(task == expected)
        }
        let isSame = read == tree
        #expect(isSame)
    }

    @Test func `each file that CRIU would write is there and no other`() throws {
        let directory = try TemporaryDirectory()
        try Self.write(RichTree.make(), to: directory)
        #expect(
            try directory.names() == [
                "cgroup.img", "core-100.img", "core-101.img", "core-102.img", "core-103.img", "core-107.img",
                "crplan.json", "fdinfo-2.img", "fifo-data.img", "filelocks.img", "files.img", "fs-100.img",
                "fs-103.img",
                "ghost-file-1f.img", "ids-100.img", "ids-103.img", "inventory.img", "memfd.img", "mm-100.img",
                "mm-103.img", "pagemap-100.img", "pagemap-103.img", "pagemap-shmem-1024.img",
                "pipes-data.img", "pstree.img", "remap-fpath.img", "seccomp.img", "sk-queues.img",
                "timens-0.img",
            ])
    }

    @Test func `clocks are in the file of the time namespace where the tree had one of its own`() throws {
        let directory = try TemporaryDirectory()
        var tree = RichTree.make()
        for place in tree.tasks.indices { tree.tasks[place].ids?.timeNS = 9 }
        try Self.write(tree, to: directory)
        let names = try directory.names()
        #expect(names.contains("timens-9.img") && !names.contains("timens-0.img"))
        #expect(try ImageSet.read(from: try directory.open()).clocks == tree.clocks)
    }

    @Test func `a set of the older framing reads the same`() throws {
        let directory = try TemporaryDirectory()
        let tree = RichTree.make()
        try Self.write(tree, to: directory)
        for name in try directory.names() where name.hasSuffix(".img") {
            var bytes = try directory.contents(name)
            if name == ImageName.inventory {
                // The first field of the first entry is the version.
                #expect(Array(bytes[8...9]) == [0x08, 2])
                bytes[9] = 1
            } else {
                bytes.removeFirst(4)
            }
            try directory.write(bytes, to: name)
        }
        let isSame = try ImageSet.read(from: try directory.open()) == tree
        #expect(isSame)
    }

    @Test func `a file torn anywhere is refused or ends with a whole row, and never read beyond its end`()
        throws
    {
        let directory = try TemporaryDirectory()
        try Self.write(RichTree.make(), to: directory)
        for name in try directory.names() where name.hasSuffix(".img") {
            let whole = try directory.contents(name)
            for count in stride(from: 0, to: min(whole.count, 400), by: 3) {
                try directory.write(Array(whole[..<count]), to: name)
                do throws(ImageError) {
                    let tree = try ImageSet.read(from: try directory.openOrFail())
                    let isWhole = tree == RichTree.make()
                    #expect(!isWhole, "\(name) cut at \(count) was taken for whole")
                } catch {
                    #expect(error.description.hasPrefix(error.file))
                }
            }
            try directory.write(whole, to: name)
        }
        let isSame = try ImageSet.read(from: try directory.open()) == RichTree.make()
        #expect(isSame)
    }

    @Test func `changed bytes give an error or another tree, never a trap`() throws {
        let directory = try TemporaryDirectory()
        try Self.write(RichTree.make(), to: directory)
        var generator = SystemRandomNumberGenerator()
        for name in try directory.names() {
            let whole = try directory.contents(name)
            for _ in 0..<40 {
                var bytes = whole
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(
                        in: 0...255, using: &generator)
                }
                try directory.write(bytes, to: name)
                _ = try? ImageSet.read(from: try directory.open())
            }
            try directory.write(whole, to: name)
        }
    }

    @Test func `an entry longer than its file names the file and the place`() throws {
        let directory = try TemporaryDirectory()
        try Self.write(RichTree.make(), to: directory)
        var bytes = try directory.contents("fs-100.img")
        bytes.replaceSubrange(8..<12, with: [0xff, 0xff, 0xff, 0x7f])
        try directory.write(bytes, to: "fs-100.img")
        let error = #expect(throws: ImageError.self) { try ImageSet.read(from: try directory.open()) }
        #expect(
            error?.description
                == "fs-100.img:8: entry of 2147483647 bytes does not fit into the 6 bytes left; the file is damaged"
        )
    }

    @Test(arguments: [
        (ImageName.inventory, "inventory.img: is missing, so this image set is not complete"),
        (ImageName.pstree, "pstree.img: is missing, or does not begin with the root of the tree"),
        ("core-101.img", "core-101.img: is missing, so this image set is not complete"),
        ("mm-103.img", "mm-103.img: is missing, so this image set is not complete"),
        ("ghost-file-1f.img", "ghost-file-1f.img: is missing, so this image set is not complete"),
        (ImageName.memfd, "files.img: file 8 names memfd 1, which is not in memfd.img"),
    ])
    func `a missing file is named`(name: String, message: String) throws {
        let directory = try TemporaryDirectory()
        try Self.write(RichTree.make(), to: directory)
        try FileManager.default.removeItem(atPath: directory.path + "/" + name)
        let error = #expect(throws: ImageError.self) { try ImageSet.read(from: try directory.open()) }
        #expect(error?.description == message)
    }

    @Test func `event objects that lead out of the set are refused`() throws {
        let changes: [(inout TreeImage) -> Void] = [
            { $0.files.append(FileImage(id: 99, content: .processFD(.init(flags: 0, target: 1, inode: 1)))) },
            { $0.fileLocks[0].fd = 77 },
            { $0.fileLocks[0].pid = PID(102) },
            { $0.fileLocks[0].length = .max },
            {
                var image = InotifyImage(flags: 0)
                image.watches = [
                    .init(
                        number: .max, inode: 1, device: 1, mask: 1,
                        handle: FileHandleImage(type: 1, bytes: []))
                ]
                $0.files.append(FileImage(id: 99, content: .inotify(image)))
            },
            {
                var image = EpollImage(flags: 0)
                image.targets = [.init(fd: 1, events: 1, data: 1)]
                image.targets[0].file = 4711
                $0.files.append(FileImage(id: 99, content: .epoll(image)))
            },
        ]
        for (place, change) in changes.enumerated() {
            let directory = try TemporaryDirectory()
            var tree = RichTree.make()
            change(&tree)
            try Self.write(tree, to: directory)
            let error = #expect(throws: ImageError.self, "change \(place)") {
                try ImageSet.read(from: try directory.open())
            }
            #expect(error != nil)
        }
    }

    @Test func `61 signal dispositions are refused`() throws {
        let directory = try TemporaryDirectory()
        var tree = RichTree.make()
        tree.tasks[0].process?.signalActions.removeLast()
        try Self.write(tree, to: directory)
        let error = #expect(throws: ImageError.self) { try ImageSet.read(from: try directory.open()) }
        #expect(error?.description == "core-100.img:8: has 61 signal dispositions where 62 belong")
    }

    @Test func `a page outside of all memory areas is refused`() throws {
        let directory = try TemporaryDirectory()
        var tree = RichTree.make()
        tree.tasks[0].memory?.pages.extents.append(
            PagemapImage.Extent(address: 0x52_0000, pages: 1, flags: 4))
        try Self.write(tree, to: directory)
        let error = #expect(throws: ImageError.self) { try ImageSet.read(from: try directory.open()) }
        #expect(
            error?.description == "pagemap-100.img: has a page at 0x520000, outside of all memory areas")
    }

    @Test func `a page after the end of a memfd is refused`() throws {
        let directory = try TemporaryDirectory()
        var tree = RichTree.make()
        tree.memfds[0].size = 4095
        tree.sharedMemory[0].pages.extents[0].pages = 2
        try Self.write(tree, to: directory)
        let error = #expect(throws: ImageError.self) { try ImageSet.read(from: try directory.open()) }
        #expect(
            error?.description == "pagemap-shmem-1024.img: has pages after the 4095 bytes of \"cache\"")
    }

    @Test func `a symbolic link or fifo in place of an image is not followed`() throws {
        let directory = try TemporaryDirectory()
        try Self.write(RichTree.make(), to: directory)
        try FileManager.default.removeItem(atPath: directory.path + "/files.img")
        #expect(mkfifo(directory.path + "/files.img", 0o600) == 0)
        let error = #expect(throws: ImageError.self) { try ImageSet.read(from: try directory.open()) }
        #expect(error?.description == "files.img: is not a regular file")
    }
}

extension TemporaryDirectory {
    /// The directory as a descriptor, for callers that expect image errors alone.
    fileprivate borrowing func openOrFail() throws(ImageError) -> OwnedFD {
        do throws(Errno) {
            return try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        } catch {
            throw ImageError(file: path, "cannot be opened", errno: error)
        }
    }
}
