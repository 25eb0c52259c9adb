/// Areas that mbind(2) was called for, and the node of set_mempolicy_home_node(2), which no call tells.
struct AreaPolicyReader: Sendable {
    private let iterator: KernelIterator

    init(_ types: KernelTypes) throws(Errno) {
        let (address, home): (Int32, Int32) = (-16, -8)
        var program = KernelProgram(.area)
        program.load(8, from: 7, try types.offset("vm_area_struct", "vm_policy"))
        program.leaveIfZero(8)
        program.load(1, from: 7, try types.offset("vm_area_struct", "vm_start"))
        program.store(1, at: address)
        program.set(1, 0)
        program.store(1, at: home)
        program.copy(3, from: 8)
        program.read(4, at: try types.offset("mempolicy", "home_node"), to: home)
        program.write(16, from: address)
        program.finish()
        iterator = try KernelIterator(program, types: types)
    }

    func policies(of pid: PID) throws(Errno) -> [NodePolicy] {
        let bytes = try iterator.run(pid)
        var found: [UInt64: NodePolicy] = [:]
        bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count - 15, by: 16) {
                let address = bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
                let home = bytes.loadUnaligned(fromByteOffset: start + 8, as: Int32.self)
                found[address] = NodePolicy(
                    start: address, policy: "of mbind(2)", homeNode: home < 0 ? nil : UInt32(home))
            }
        }
        return found.values.sorted { $0.start < $1.start }
    }
}
