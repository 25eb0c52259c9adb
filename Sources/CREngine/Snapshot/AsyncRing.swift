import CPlatform

/// A ring of io_setup(2) that is whole and belongs to the process which maps it.
package struct AsyncRing: Equatable, Sendable {
    /// Its id, too.
    package var address: UInt64
    /// Places for events.
    package var places: UInt32
    /// Requests that were submitted and have not ended.
    package var underWay: Int
    package init(address: UInt64, places: UInt32, underWay: Int) {
        self.address = address
        self.places = places
        self.underWay = underWay
    }

    /// Bytes of the ring's head.
    package static let headSize = 32
    package static let eventSize = 32
}

/// Rings of a process and how many requests are under way in each, which no call tells.
///
/// The kernel gives each ring as many slots as it has places for events, but for one. A slot is free for all CPUs, kept
/// by one CPU, taken by an event that was not read when last looked at, or taken by a request under way (struct kioctx in
/// fs/aio.c). So the last number is what the others leave. They are read in this order as a request that ends meanwhile
/// can then only be counted as under way; where none is submitted meanwhile, 0 is 0.
struct AsyncRingReader: Sendable {
    private let iterator: KernelIterator
    /// The program knows it by its number.
    private let map: PerCPUMap

    private final class PerCPUMap: Sendable {
        let descriptor: OwnedFD
        init() throws(Errno) {
            let result = cp_bpf_per_cpu_map()
            if result < 0 { throw Errno(rawValue: -result) }
            descriptor = OwnedFD(taking: result)
        }
    }

    init(_ types: KernelTypes) throws(Errno) {
        map = try PerCPUMap()
        let program = try Self.program(types, map: map.descriptor.rawValue, cpus: PossibleCPUs.count())
        iterator = try KernelIterator(program, types: types)
    }

    func rings(of pid: PID) throws(Errno) -> [AsyncRing] {
        let bytes = try iterator.run(pid)
        var found: [UInt64: AsyncRing] = [:]
        bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count - 39, by: 40) {
                let row = (0..<5).map { bytes.loadUnaligned(fromByteOffset: start + $0 * 8, as: UInt64.self) }
                let places = UInt32(truncatingIfNeeded: row[1])
                let free = Int(Int32(truncatingIfNeeded: row[2])) + Int(row[4])
                let underWay = Int(places) - 1 - free - Int(UInt32(truncatingIfNeeded: row[3]))
                found[row[0]] = AsyncRing(address: row[0], places: places, underWay: underWay)
            }
        }
        return found.values.sorted { $0.address < $1.address }
    }

    /// Writes for each ring: address, places, slots free for all, slots of events, slots kept by CPUs; 8 bytes each.
    private static func program(
        _ types: KernelTypes, map: Int32, cpus: Int
    ) throws(Errno) -> KernelProgram {
        let (address, places, free, events, kept): (Int32, Int32, Int32, Int32, Int32) =
            (-40, -32, -24, -16, -8)
        let (word, base, number, table): (Int32, Int32, Int32, Int32) = (-48, -56, -64, -72)
        var program = KernelProgram(.area)
        program.load(1, from: 7, try types.offset("vm_area_struct", "vm_start"))
        program.store(1, at: address)
        program.load(1, from: 7, try types.offset("vm_area_struct", "vm_file"))
        program.leaveIfZero(1)
        program.load(1, from: 1, try types.offset("file", "f_mapping"))
        program.leaveIfZero(1)
        program.load(8, from: 1, try types.offset("address_space", "i_private_data"))
        program.leaveIfZero(8)
        // Whatever file that is: only a ring knows its own address.
        program.copy(3, from: 8)
        program.read(8, at: try types.offset("kioctx", "user_id"), to: word)
        program.load(1, from: KernelProgram.stack, word)
        program.load(2, from: KernelProgram.stack, address)
        program.leaveUnlessEqual(1, 2)
        // After a fork the child maps the ring, but it is in the parent's table alone.
        program.load(9, from: 7, try types.offset("vm_area_struct", "vm_mm"))
        program.leaveIfZero(9)
        program.copy(3, from: 9)
        program.read(8, at: try types.offset("mm_struct", "ioctx_table"), to: table)
        program.set(1, 0)
        program.store(1, at: number)
        program.copy(3, from: 8)
        program.read(4, at: try types.offset("kioctx", "id"), to: number)
        program.load(3, from: KernelProgram.stack, table)
        program.leaveIfZero(3)
        program.load(1, from: KernelProgram.stack, number)
        program.shiftLeft(1, 3)
        program.add(3, register: 1)
        program.read(8, at: try types.offset("kioctx_table", "table"), to: word)
        program.load(1, from: KernelProgram.stack, word)
        program.copy(2, from: 8)
        program.leaveUnlessEqual(1, 2)
        program.set(1, 0)
        for place in [places, free, events, kept] { program.store(1, at: place) }
        program.copy(3, from: 8)
        program.read(4, at: try types.offset("kioctx", "nr_events"), to: places)
        program.copy(3, from: 8)
        program.read(4, at: try types.offset("kioctx", "reqs_available"), to: free)
        program.copy(3, from: 8)
        program.read(8, at: try types.offset("kioctx", "cpu"), to: base)
        // Where the kernel has a CPU's own memory is seen by a map of ours that has such memory, too.
        program.loadMap(1, map)
        program.store(1, at: word)
        program.copy(3, from: KernelProgram.stack)
        program.read(8, at: word, to: table)
        program.load(3, from: KernelProgram.stack, table)
        program.read(8, at: try types.offset("bpf_array", "pptrs"), to: table)
        let slots = try types.offset("kioctx_cpu", "reqs_available")
        for cpu in 0..<cpus {
            let lookUpOfCPU: Int32 = 195
            program.set(1, 0)
            program.store(1, at: number)
            program.loadMap(1, map)
            program.copy(2, from: KernelProgram.stack)
            program.add(2, number)
            program.set(3, Int32(cpu))
            program.call(lookUpOfCPU)
            program.leaveIfZero(0)
            program.store(0, at: word)
            program.copy(3, from: KernelProgram.stack)
            program.read(8, at: word, to: number)
            program.load(3, from: KernelProgram.stack, number)
            program.load(1, from: KernelProgram.stack, table)
            program.subtract(3, register: 1)
            program.load(1, from: KernelProgram.stack, base)
            program.add(3, register: 1)
            program.set(1, 0)
            program.store(1, at: number)
            program.read(4, at: slots, to: number)
            program.load(1, from: KernelProgram.stack, number)
            program.load(2, from: KernelProgram.stack, kept)
            program.add(2, register: 1)
            program.store(2, at: kept)
        }
        program.copy(3, from: 8)
        program.read(4, at: try types.offset("kioctx", "completed_events"), to: events)
        program.write(40, from: address)
        program.finish()
        return program
    }
}
