import CPlatform
import FoundationEssentials
import Glibc
import PolicyModel

/// What a worker that died without a word left behind: in the store, and of the tree.
struct Aftermath {
    private let job: DumpRequest

    init(of job: DumpRequest) { self.job = job }

    /// Removes what is unfinished, looks at the tree, and says in what state both are.
    func reply(error: String) -> DumpReply {
        let store = Store(path: job.policy.store.path)
        let checkpoint = Checkpoint(
            store: store, policy: job.policy.name, target: job.target, name: job.checkpoint)
        let isPublished = access(checkpoint.path + "/" + Manifest.fileName, F_OK) == 0
        var error = error
        do throws(StoreError) {
            try StagedCheckpoint.discard(in: store, policy: job.policy.name, target: job.target)
        } catch {
            return DumpReply(.failed, error: "\(error)")
        }
        if isPublished { error += "; \(checkpoint.id) was published before and was not read back" }
        guard let state = settledState() else {
            if isPublished { return DumpReply(.failed, error: error) }
            return DumpReply(.unsafe, error: error + "; process \(job.root) is gone and has no image")
        }
        if state == "T" || state == "t", job.policy.dump.after != .leaveStopped {
            return DumpReply(
                .unsafe,
                error: error + "; process \(job.root) is stopped, `kill -CONT \(job.root)` lets it run")
        }
        return DumpReply(.failed, error: error + "; process \(job.root) runs on")
    }

    /// The state of the root once the supervisor has had time to let it go; nil when it is gone.
    private func settledState() -> Character? {
        let deadline = Deadline.after(milliseconds: 3000)
        var pause = Backoff()
        while true {
            guard let life = (try? ProcessLife.of(job.root)) ?? nil, life.startTime == job.startTime,
                life.state != "Z", life.state != "X"
            else { return nil }
            if (life.state != "t" && life.state != "T") || deadline.hasPassed { return life.state }
            pause.pause()
        }
    }
}
