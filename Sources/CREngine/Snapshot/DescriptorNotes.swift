/// Reads which open file each descriptor of a process refers to: the address of its struct file, which is the same for
/// two descriptors where kcmp(2) says so. Addresses stay valid while the files stay open.
struct DescriptorNotesReader: Sendable {
    private static let size = 16
    private let iterator: KernelIterator

    init(_ types: KernelTypes) throws(Errno) {
        let (number, file): (Int32, Int32) = (-16, -8)
        var program = KernelProgram(.descriptor)
        program.store(7, at: file)
        // struct bpf_iter__task_file of kernel/bpf/task_iter.c
        program.loadHalf(1, from: 6, 16)
        program.store(1, at: number)
        program.write(Int32(Self.size), from: number)
        program.finish()
        iterator = try KernelIterator(program, types: types)
    }

    /// By descriptor.
    func addresses(of pid: PID) throws(Errno) -> [Int32: UInt64] {
        let bytes = try iterator.run(pid)
        var found: [Int32: UInt64] = [:]
        found.reserveCapacity(bytes.count / Self.size)
        bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, through: bytes.count - Self.size, by: Self.size) {
                let number = bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
                found[Int32(truncatingIfNeeded: number)] = bytes.loadUnaligned(
                    fromByteOffset: start + 8, as: UInt64.self)
            }
        }
        return found
    }
}
