import Testing

@testable import CREngine

@Suite struct StubLayoutTests {
    private func tree(_ areas: [(UInt64, UInt64)]) -> TreeImage {
        var task = TaskImage(
            pid: PID(7), parent: PID(0), pgid: PID(7), sid: PID(7), state: .alive, threads: [])
        var memory = MemoryImage()
        memory.areas = areas.map {
            AreaImage(
                start: $0.0, end: $0.1, protection: 3, flags: 0x22, status: [.regular, .anonymousPrivate])
        }
        task.memory = memory
        return TreeImage(
            inventory: InventoryImage(rootIDs: KernelObjectIDs(), runID: "x"), tasks: [task], files: [])
    }

    @Test func `scratch and parking lie in a gap of every layout`() throws {
        let areas: [(UInt64, UInt64)] = [(0x10_0000_0000, 0x10_0100_0000), (0x10_0200_0000, 0x20_0000_0000)]
        let layout = try StubLayout(tree: tree(areas), vdso: try OwnVDSO())
        #expect(layout.scratch.rawValue > 0x20_0000_0000)
        #expect(layout.parking.allSatisfy { $0 >= layout.scratch.rawValue + UInt64(StubLayout.scratchSize) })
    }

    @Test func `a full address space is refused`() throws {
        let vdso = try OwnVDSO()
        #expect(throws: RestoreError.self) {
            try StubLayout(tree: tree([(0x1000, 0x7fff_ffff_f000)]), vdso: vdso)
        }
    }
}
