import Testing

@testable import CREngine

/// What a machine must have for memory policies and AIO rings.
struct MemoryPoliciesTests {
    private func missing(mode: Int32, nodes: [UInt64], here: Set<Int>) -> [Int] {
        var policy = MemoryPolicyImage(mode: mode)
        policy.nodes = nodes
        return MemoryPolicies.missing(policy, here: here)
    }

    @Test func `every node of a policy must be there`() {
        #expect(missing(mode: 2, nodes: [0b11], here: [0, 1]).isEmpty)
        #expect(missing(mode: 2, nodes: [0b101, 1], here: [0]) == [2, 64])
        #expect(missing(mode: 4, nodes: [0], here: [0]).isEmpty)
    }

    @Test func `one of the static nodes is enough, and relative ones are always there`() {
        #expect(missing(mode: 2 | 1 << 15, nodes: [0b11], here: [0]).isEmpty)
        #expect(missing(mode: 2 | 1 << 15, nodes: [0b110], here: [0]) == [1, 2])
        #expect(missing(mode: 2 | 1 << 14, nodes: [0b110], here: [0]).isEmpty)
    }

    @Test func `an absent node fails the preflight by number`() {
        var task = TaskImage(
            pid: PID(7), parent: PID(0), pgid: PID(7), sid: PID(7), state: .alive,
            threads: [ThreadImage(tid: TID(7), comm: "x")])
        var memory = MemoryImage()
        var area = AreaImage(start: 0x1000, end: 0x2000, protection: 3, flags: 0x22, status: [.regular])
        area.memoryPolicy = MemoryPolicyImage(mode: 2)
        area.memoryPolicy?.nodes = [0, 1 << 63]
        memory.areas = [area]
        task.threads[0].memoryPolicy = MemoryPolicyImage(mode: 4)
        let problems = MemoryPolicies.problems(task, memory)
        #expect(problems.count == 1)
        #expect(problems.first.map { "\($0)" }?.contains("(127)") == true)
    }

    @Test func `the size of a ring follows from its requests and from the CPUs`() {
        let ring = AsyncRingImage(address: 0x1000, length: 4096)
        #expect(ring.requests == 62)
        #expect(ring.size(cpus: 2) == 4096)
        #expect(ring.size(cpus: 128) == 36864)
        for pages: UInt32 in 1...300 {
            let ring = AsyncRingImage(address: 0x1000, length: pages * 4096)
            #expect(ring.size(cpus: 2) == UInt64(ring.length))
        }
    }
}
