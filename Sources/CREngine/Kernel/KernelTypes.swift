import CPlatform
import Glibc

/// The bytes of a file of sysfs: mapped, which Linux allows since 6.16, or read, a page a call.
private final class Description: Sendable {
    private let bytes: [UInt8]
    private let place: (address: Int, count: Int)?

    init(_ path: String) throws(Errno) {
        let file = try OwnedFD.open(path, O_RDONLY)
        var facts = stat()
        if fstat(file.rawValue, &facts) == 0, facts.st_size > 0,
            let start = mmap(nil, facts.st_size, PROT_READ, MAP_PRIVATE, file.rawValue, 0),
            start != MAP_FAILED
        {
            place = (Int(bitPattern: start), facts.st_size)
            bytes = []
        } else {
            place = nil
            bytes = try file.readToEnd()
        }
    }

    deinit {
        if let place { munmap(UnsafeMutableRawPointer(bitPattern: place.address), place.count) }
    }

    var count: Int { place?.count ?? bytes.count }

    func withUnsafeBufferPointer<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        guard let place else { return bytes.withUnsafeBufferPointer(body) }
        return body(
            UnsafeBufferPointer(start: UnsafePointer(bitPattern: place.address), count: place.count))
    }
}

/// Where the running kernel has the members of its structures, by its own description of them. See
/// Documentation/bpf/btf.rst.
struct KernelTypes {
    private let bytes: Description
    /// Where each type begins.
    private let places: [UInt32]
    /// Numbers of types, by the hash of their names; 0 for none.
    private let table: [UInt32]

    /// Throws ENOENT where the kernel was built without (CONFIG_DEBUG_INFO_BTF), and ENOTSUP where it cannot be read.
    init() throws(Errno) {
        bytes = try Description("/sys/kernel/btf/vmlinux")
        let leastSize = 12
        // A kernel has some ten thousand structures.
        let tableSize = 1 << 17
        var places = [UInt32](repeating: 0, count: bytes.count / leastSize + 1)
        var table = [UInt32](repeating: 0, count: tableSize)
        let count = bytes.withUnsafeBufferPointer { bytes in
            places.withUnsafeMutableBufferPointer { places in
                table.withUnsafeMutableBufferPointer { table in
                    var index = cp_btf(
                        bytes: bytes.baseAddress, size: bytes.count, places: places.baseAddress,
                        count: places.count, table: table.baseAddress, table_size: table.count)
                    return cp_btf_index(&index) ? index.count : 0
                }
            }
        }
        if count == 0 { throw Errno(rawValue: ENOTSUP) }
        places.removeLast(places.count - count)
        (self.places, self.table) = (places, table)
    }

    /// The number of a function that programs are attached to. Throws ENOENT.
    func iterator(_ name: String) throws(Errno) -> UInt32 {
        let number = with { cp_btf_iterator($0, name) }
        if number == 0 { throw .noEntry }
        return number
    }

    /// Bytes from the begin of a structure to a member. Throws ENOENT.
    func offset(_ structure: String, _ member: String) throws(Errno) -> Int32 {
        try bits(structure, member) / 8
    }

    /// Of a member that is one bit: its byte, in bytes from the begin of the structure, and its mask there. Throws ENOENT.
    func bit(_ structure: String, _ member: String) throws(Errno) -> (offset: Int32, mask: Int32) {
        let bits = try bits(structure, member)
        return (bits / 8, 1 << (bits % 8))
    }

    /// Bytes of a structure. Throws ENOENT.
    func size(_ structure: String) throws(Errno) -> Int {
        let size = with { cp_btf_size($0, cp_btf_structure($0, structure)) }
        if size == 0 { throw .noEntry }
        return Int(size)
    }

    private func bits(_ structure: String, _ member: String) throws(Errno) -> Int32 {
        let bits = with { cp_btf_member($0, cp_btf_structure($0, structure), member) }
        if bits < 0 { throw .noEntry }
        return bits
    }

    private func with<Result>(_ body: (UnsafePointer<cp_btf>) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            places.withUnsafeBufferPointer { places in
                table.withUnsafeBufferPointer { table in
                    // Only read.
                    var index = cp_btf(
                        bytes: bytes.baseAddress, size: bytes.count,
                        places: UnsafeMutablePointer(mutating: places.baseAddress), count: places.count,
                        table: UnsafeMutablePointer(mutating: table.baseAddress), table_size: table.count)
                    return body(&index)
                }
            }
        }
    }
}
