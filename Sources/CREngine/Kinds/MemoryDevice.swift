/// /dev/null, zero, full, random or urandom: devices that remember nothing of who opened them.
package enum MemoryDevice: FileKind {
    package struct State: Equatable, Sendable {
        /// As in mem(4) and random(4), major 1.
        package let minor: UInt32
    }
    package static let tag = FileTag.memoryDevice

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard let facts = file.facts, facts.type == .characterDevice, facts.represents.major == 1,
            [3, 5, 7, 8, 9].contains(facts.represents.minor)
        else { return nil }
        return State(minor: facts.represents.minor)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        EvasiveDevice.findings(file, in: context)
    }
}
