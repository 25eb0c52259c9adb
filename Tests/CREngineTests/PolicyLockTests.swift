import FoundationEssentials
import Glibc
import Testing

@testable import CREngine

@Suite struct PolicyLockTests {
    let temporary: TemporaryStore

    init() throws { temporary = try TemporaryStore() }

    @Test func `the second taker is told who holds it`() throws {
        let lock = try PolicyLock(policy: "nightly", directory: temporary.root)
        #expect(lock.tookOverFrom == nil)
        #expect(PolicyLock.holder(policy: "nightly", directory: temporary.root)?.pid == getpid())
        #expect {
            _ = try PolicyLock(policy: "nightly", directory: temporary.root).tookOverFrom
        } throws: { error in
            guard case .held(_, let holder) = error as? LockError else { return false }
            return holder?.pid == getpid()
        }
    }

    @Test func `it is free again when its owner is done`() throws {
        do {
            let lock = try PolicyLock(policy: "nightly", directory: temporary.root)
            #expect(lock.tookOverFrom == nil)
        }
        #expect(access(temporary.root + "/nightly.lock", F_OK) != 0)
        let again = try PolicyLock(policy: "nightly", directory: temporary.root)
        #expect(again.tookOverFrom == nil)
    }

    @Test func `one that a dead process left is taken over and told`() throws {
        let left = LockHolder(pid: 1, startTime: 1, bootID: "another boot")
        let file = try OwnedFD.open(temporary.root + "/nightly.lock", O_WRONLY | O_CREAT, mode: 0o600)
        try file.writeAll(Array(JSONEncoder().encode(left)))
        #expect(PolicyLock.holder(policy: "nightly", directory: temporary.root) == nil)
        let lock = try PolicyLock(policy: "nightly", directory: temporary.root)
        #expect(lock.tookOverFrom == left)
        #expect(PolicyLock.holder(policy: "nightly", directory: temporary.root)?.pid == getpid())
    }
}
