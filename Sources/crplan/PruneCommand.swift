import ArgumentParser
import CREngine
import FoundationEssentials
import PolicyModel

/// Deletes the checkpoints that a policy's retention does not keep.
struct PruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Deletes the checkpoints that the retention of policies does not keep.",
        discussion: """
            What is pinned, the newest of each target that was read back, and what a kept one needs always stay. Exits \
            1 when something could not be deleted, 7 when another run of a policy is under way.
            """)

    /// Where policies are kept that are named nowhere else.
    static let defaultPolicies = "/etc/crplan/policies.d"

    @Argument(
        help: "Policy files, or directories of them; \(Self.defaultPolicies) without.",
        completion: .file(extensions: ["yaml", "yml"]))
    var files: [String] = []
    @Option(
        name: .customLong("store"), help: "This store in place of the policies' own.", completion: .directory)
    var storePath: String?
    @Flag(help: "Tell what would go; delete nothing.") var dryRun = false
    @Flag(help: "Tell what stays too, and why.") var explain = false

    func run() throws {
        let policies = try PolicyArguments.parse(files.isEmpty ? [Self.defaultPolicies] : files).load()
        var worst = ExitStatus.done
        for (place, policy) in policies.enumerated() {
            if place > 0 { print("") }
            let status = try prune(policy)
            if worst == .done { worst = status }
        }
        throw worst.exit
    }

    private func prune(_ policy: Policy) throws -> ExitStatus {
        let store = try storePath.map { try StoreArguments.parse(["--store", $0]).store }
        let retainer = Retainer(policy, store: store)
        let text = PruneText(terminal: .output)
        print(text.head(policy, store: store?.path ?? policy.store.path))
        if dryRun {
            let verdict = try orFail { () throws(StoreError) in try retainer.decide(now: Date.now) }
            text.lines(verdict, policy: policy.name, explain: explain).forEach { print($0) }
            return .done
        }
        do throws(LockError) {
            let lock = try PolicyLock(policy: policy.name)
            if let holder = lock.tookOverFrom {
                print("note: the lock that pid \(holder.pid) left behind was taken over")
            }
            let now = Date.now
            let verdict = try? retainer.decide(now: now)
            let record = retainer.prune(now: now)
            if explain, let verdict { text.kept(verdict, policy: policy.name).forEach { print($0) } }
            text.lines(record).forEach { print($0) }
            let isRecorded = note(record, now, policy, store)
            return record.warnings.isEmpty && isRecorded ? .done : .failed
        } catch {
            printError("crplan: \(error)")
            if case .held = error { return .locked }
            return .failed
        }
    }

    /// Writes what was deleted into the policy's history. False, which is told, where that cannot be done.
    private func note(_ record: PruneRecord, _ now: Date, _ policy: Policy, _ store: Store?) -> Bool {
        guard let event = HistoryEvent(pruning: record, at: now) else { return true }
        let place = store ?? Store(path: policy.store.path)
        do throws(StoreError) {
            try History(store: place, policy: policy.name).append([event])
            return true
        } catch {
            printError("crplan: not written down: \(error)")
            return false
        }
    }
}
