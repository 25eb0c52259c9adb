/// Where in a process the healing stub goes: executable bytes that nothing uses.
///
/// The vdso ends amid its last page; the rest of that page is zero, belongs to no function, and is private to the
/// process once written. So no page need be mapped before the first remote call is safe, and none unmapped after
/// the last. A process without a vdso lends the zero bytes at the end of another executable mapping.
package enum StubPlace {
    /// An executable range of the process, and whether it is the vdso.
    package struct Candidate: Sendable {
        package let start: RemoteAddress
        /// Exclusive.
        package let end: RemoteAddress
        package let isVDSO: Bool
        package init(start: RemoteAddress, end: RemoteAddress, isVDSO: Bool) {
            self.start = start
            self.end = end
            self.isVDSO = isVDSO
        }
    }

    /// The place, or nil where no candidate ends in enough zero bytes.
    ///
    /// A stub that an earlier run left behind counts as free, unless a signal handler has yet to return to it. All
    /// threads must be stopped.
    package static func find(pid: PID, candidates: [Candidate]) throws(Errno) -> RemoteAddress? {
        for candidate in candidates where candidate.isVDSO {
            if try isFree(pid, candidate.end) { return candidate.end + -HealingStub.size }
        }
        for candidate in candidates where !candidate.isVDSO {
            if try isFree(pid, candidate.end) { return candidate.end + -HealingStub.size }
        }
        return nil
    }

    private static func isFree(_ pid: PID, _ end: RemoteAddress) throws(Errno) -> Bool {
        let tail: [UInt8]
        do throws(Errno) {
            tail = try RemoteMemory.bytes(pid, end + -HealingStub.size, count: HealingStub.size)
        } catch {
            // A mapping that reaches past the end of its file has no page here.
            if error == .fault { return false }
            throw error
        }
        if tail.allSatisfy({ $0 == 0 }) { return true }
        if !HealingStub.isStub(tail) { return false }
        let isAwaited = try StubReferences.exist(pid, to: end + -HealingStub.size)
        return !isAwaited
    }
}
