import Dispatch
import Synchronization
import Testing

@testable import CREngine

@Suite struct PatientLookTests {
    private final class Calls: Sendable {
        let count = Mutex(0)
    }

    private static let facts = FileFacts(device: DeviceNumber(0, 40), inode: 7, mode: 0o100644)

    @Test func `an answer is passed on, an error too`() throws {
        let good = PatientLook { _ in .success(Self.facts) }
        #expect(try good.facts(of: "/x") == Self.facts)
        let bad = PatientLook { _ in .failure(.noEntry) }
        #expect(throws: Errno.noEntry) { try bad.facts(of: "/x") }
    }

    @Test func `who does not answer is asked once, and the file counts as unchecked`() {
        let calls = Calls()
        let release = DispatchSemaphore(value: 0)
        let look = PatientLook(milliseconds: 20) { _ in
            calls.count.withLock { $0 += 1 }
            release.wait()
            return .success(Self.facts)
        }
        var check = PathCheck(patient: look)
        #expect(check.answer("/fuse/a", Self.facts, view: "").reach == .unknown)
        #expect(check.answer("/fuse/b", Self.facts, view: "").reach == .unknown)
        #expect(calls.count.withLock { $0 } == 1)
        release.signal()
    }
}
