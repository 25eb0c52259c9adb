import FoundationEssentials
import Glibc
import Testing

@testable import CREngine

@Suite struct StoreTests {
    let temporary: TemporaryStore

    init() throws { temporary = try TemporaryStore() }

    private var store: Store { temporary.store }

    private func overwrite(_ path: String, _ bytes: [UInt8]) throws {
        try OwnedFD.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600).writeAll(bytes)
    }

    private func mode(_ path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func `SHA-256 is the one of the standard's examples`() throws {
        #expect(
            try Digest.of(Array("abc".utf8)).hexadecimal
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            try Digest.of([]).hexadecimal
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(Digest(hexadecimal: "BA78") == nil)
    }

    @Test func `a name tells its moment in UTC and sorts by it`() throws {
        let name = CheckpointName(at: Date(timeIntervalSince1970: 1_795_418_220.9), tail: 0xa4)
        #expect(name.text == "2026-11-23T07:17:00Z-00a4")
        #expect(CheckpointName(name.text) == name)
        #expect(name.date == Date(timeIntervalSince1970: 1_795_418_220))
        #expect(CheckpointName("2026-11-23T07:17:00Z-00A4") == nil)
        #expect(CheckpointName(".incomplete-2026-11-23T07:17:00Z-00a4") == nil)
    }

    @Test func `of two names of one second the later one sorts last`() {
        let date = Date(timeIntervalSince1970: 1_795_418_220.9)
        let first = CheckpointName(at: date, tail: 0xfffe)
        let second = CheckpointName(at: date, after: first)
        #expect(second.text == "2026-11-23T07:17:00Z-ffff")
        #expect(CheckpointName(at: date, after: second).date == Date(timeIntervalSince1970: 1_795_418_221))
        #expect(CheckpointName(at: date.addingTimeInterval(60), after: second) > second)
        #expect(CheckpointName(at: date, after: nil).date == first.date)
    }

    @Test func `what is published is whole, private, and found again`() throws {
        let checkpoint = try temporary.publish()
        #expect(try store.checkpoints() == [checkpoint])
        #expect(try checkpoint.verify() == [])
        let manifest = try checkpoint.manifest()
        #expect(manifest.files.map(\.path).contains("images/inventory.img"))
        #expect(manifest.bytes == manifest.files.reduce(0) { $0 + $1.size })
        #expect(mode(checkpoint.path) == 0o700)
        #expect(mode(checkpoint.imagesPath) == 0o700)
        #expect(mode(checkpoint.imagesPath + "/inventory.img") == 0o600)
        #expect(mode(checkpoint.path + "/manifest.json") == 0o600)
    }

    @Test func `a checkpoint that is not published leaves nothing`() throws {
        let images = try {
            let staged = try StagedCheckpoint(
                in: store, policy: "nightly", target: "solver", name: CheckpointName(at: Date()))
            #expect(mode(staged.imagesPath) == 0o700)
            return staged.imagesPath
        }()
        #expect(access(images, F_OK) != 0)
        #expect(try store.checkpoints() == [])
    }

    @Test func `a checkpoint that is taken back leaves nothing, and the others alone`() throws {
        let kept = try temporary.publish(second: 0)
        let withdrawn = try temporary.publish(second: 60)
        try StagedCheckpoint.withdraw(withdrawn)
        #expect(try temporary.store.checkpoints() == [kept])
        let left = try FileManager.default.contentsOfDirectory(
            atPath: temporary.store.path + "/nightly/solver")
        #expect(left == [kept.name.text])
    }

    @Test func `what a killed run left is removed by the next one`() throws {
        let left = store.path + "/nightly/solver/.incomplete-2026-11-23T07:17:00Z-0001/images"
        try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
        _ = try temporary.publish()
        #expect(access(left, F_OK) != 0)
    }

    @Test func `latest leads to the newest that was read back`() throws {
        let older = try temporary.publish(second: 0)
        let newer = try temporary.publish(second: 60)
        #expect(try store.latest(policy: "nightly", target: "solver") == nil)
        #expect(try newer.confirm() == [])
        #expect(try older.confirm() == [])
        #expect(try store.latest(policy: "nightly", target: "solver") == newer.name)
        #expect(try store.resolve("nightly/solver/latest") == newer)

        let torn = try temporary.publish(second: 120)
        try overwrite(torn.imagesPath + "/pstree.img", [1, 2, 3])
        #expect(try torn.confirm().map(\.path) == ["images/pstree.img"])
        #expect(try store.latest(policy: "nightly", target: "solver") == newer.name)
    }

    @Test func `a beginning names a checkpoint when only one has it`() throws {
        let first = try temporary.publish(target: "solver", second: 0)
        let second = try temporary.publish(target: "mesher", second: 3600)
        #expect(try store.resolve("nightly/solver/") == first)
        #expect(try store.resolve("mesher/20") == second)
        #expect(try store.resolve(first.name.text) == first)
        #expect(try store.resolve(second.path) == second)
        #expect { try store.resolve("nightly") } throws: { ($0 as? StoreError)?.reason == .ambiguous }
        #expect { try store.resolve("daily") } throws: { ($0 as? StoreError)?.reason == .notFound }
        #expect { try store.resolve("nightly/solver/latest") } throws: {
            ($0 as? StoreError)?.reason == .notFound
        }
    }

    @Test func `verify tells every damage, one line each`() throws {
        let checkpoint = try temporary.publish()
        let inventory = checkpoint.imagesPath + "/inventory.img"
        let bytes = try OwnedFD.open(inventory, O_RDONLY).readToEnd()
        var flipped = bytes
        flipped[flipped.count - 1] ^= 1
        try overwrite(inventory, flipped)
        try overwrite(checkpoint.path + "/report.json", [])
        try overwrite(checkpoint.path + "/images/stray.img", [])
        try #require(unlink(checkpoint.imagesPath + "/pstree.img") == 0)
        #expect(
            try checkpoint.verify().map(\.description) == [
                "images/inventory.img: has other contents than when it was written (SHA-256)",
                "images/stray.img: is not in the manifest",
                "report.json: has 0 bytes and the manifest says 3",
                "images/pstree.img: is missing",
            ])
    }

    @Test func `images that do not make one tree are told although their digests hold`() throws {
        let date = Date(timeIntervalSince1970: 1_795_000_000)
        var staged = try StagedCheckpoint(
            in: store, policy: "nightly", target: "solver", name: CheckpointName(at: date))
        try overwrite(staged.imagesPath + "/inventory.img", Array("not an image".utf8))
        let checkpoint = try staged.publish(temporary.manifest(staged.name, target: "solver", at: date))
        let problems = try checkpoint.verify()
        #expect(problems.count == 1)
        #expect(problems.first?.fact.hasPrefix("do not make one tree: ") == true)
    }

    @Test func `logs may grow after the manifest was written`() throws {
        let checkpoint = try temporary.publish()
        try overwrite(checkpoint.path + "/restore.log", Array("later".utf8))
        #expect(try checkpoint.verify() == [])
    }

    @Test func `a torn or foreign manifest is one problem and no crash`() throws {
        let checkpoint = try temporary.publish()
        let path = checkpoint.path + "/manifest.json"
        try overwrite(path, Array("{\"format\": 2}".utf8))
        #expect(
            try checkpoint.verify().map(\.description) == [
                "manifest.json: has format 2 and this crplan reads format 1"
            ])
        try overwrite(path, Array("{\"format\": 1, \"policy\": 7".utf8))
        #expect(try checkpoint.verify().count == 1)
        try #require(unlink(path) == 0)
        #expect(try checkpoint.verify().count == 1)
    }

    @Test func `a manifest at another place than it says is told`() throws {
        let checkpoint = try temporary.publish()
        let moved = store.path + "/other/solver"
        try FileManager.default.createDirectory(atPath: moved, withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: checkpoint.path, toPath: moved + "/" + checkpoint.name.text)
        let found = try store.resolve("other/solver/" + checkpoint.name.text)
        #expect(
            try found.verify().map(\.description) == [
                "manifest.json: says policy nightly and its place says other"
            ])
    }

    @Test func `too little free space is told before anything is written`() throws {
        #expect(throws: Never.self) { try store.checkSpace(minimum: 0) }
        #expect { try store.checkSpace(minimum: .max) } throws: { ($0 as? StoreError)?.reason == .noSpace }
    }

    @Test func `a store that others can write to is refused`() throws {
        try store.checkSpace(minimum: 0)
        try #require(chmod(store.path, 0o777) == 0)
        #expect(throws: StoreError.self) { try store.checkSpace(minimum: 0) }
    }

    @Test func `a name that would leave the store is refused`() throws {
        for name in ["..", "a/b", "", ".hidden", "a\nb"] {
            #expect(throws: StoreError.self) {
                _ = try StagedCheckpoint(
                    in: store, policy: "nightly", target: name, name: CheckpointName(at: Date())
                ).path
            }
        }
    }
}
