/// A memory device: /dev/null, zero, full, random, urandom, mem, port, and kmsg for writing. Who opens it anew by its name
/// or number has the same as before; at most an offset is kept for who opened it.
package enum MemoryDevice: FileKind {
    package struct State: Equatable, Sendable {
        /// As in mem(4) and random(4), major 1.
        package let minor: UInt32
    }
    package static let tag = FileTag.memoryDevice

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard let facts = file.facts, facts.type == .characterDevice, facts.represents.major == 1,
            minors.contains(facts.represents.minor)
        else { return nil }
        // How far a reader of the kernel's log has come is told by nobody.
        if facts.represents.minor == kernelLog, file.canRead { return nil }
        return State(minor: facts.represents.minor)
    }

    private static let kernelLog: UInt32 = 11
    /// mem, null, port, zero, full, random, urandom, kmsg.
    private static let minors: Set<UInt32> = [1, 3, 4, 5, 7, 8, 9, kernelLog]

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        EvasiveDevice.findings(file, in: context)
    }
}
