import FoundationEssentials
import Glibc
import PolicyModel
import Testing

@testable import CREngine

/// A store in a directory of its own, removed when the test ends.
final class TemporaryStore {
    let root: String
    let store: Store

    init() throws {
        var template = Array("/tmp/crplan-store-XXXXXX".utf8CString)
        root = try #require(mkdtemp(&template).map { String(cString: $0) })
        store = Store(path: root + "/store")
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    /// Publishes a checkpoint whose images are the smallest tree that holds together.
    func publish(
        target: String = "solver", second: Double = 0, parent: CheckpointName? = nil
    ) throws -> Checkpoint {
        let date = Date(timeIntervalSince1970: 1_795_000_000 + second)
        var staged = try StagedCheckpoint(
            in: store, policy: "nightly", target: target, name: CheckpointName(at: date))
        let inventory = InventoryImage(
            rootIDs: KernelObjectIDs(), runID: "00000000-0000-4000-8000-000000000000")
        let task = TaskImage(
            pid: PID(42), parent: PID(0), pgid: PID(42), sid: PID(42), state: .dead(status: 0x700),
            threads: [ThreadImage(tid: TID(42), comm: "solver")])
        let images = try staged.images()
        try ImageSet.write(TreeImage(inventory: inventory, tasks: [task], files: []), to: images)
        try staged.write("report.json", Array("{}\n".utf8))
        var manifest = try manifest(staged.name, target: target, at: date)
        manifest.parent = parent
        if let parent {
            #expect(symlinkat("../../\(parent)/images", images.rawValue, ImageName.parent) == 0)
        }
        return try staged.publish(manifest)
    }

    func manifest(_ name: CheckpointName, target: String, at date: Date) throws -> Manifest {
        let policy = Policy(name: "nightly")
        return Manifest(
            checkpoint: name, created: date, madeBy: "test",
            policy: .init(name: policy.name, digest: try policy.digest()), target: target, after: .kill,
            tree: [.init(pid: PID(42), parent: PID(0), comm: "solver", exe: "/opt/solver", threads: 1)],
            host: .collect())
    }
}
