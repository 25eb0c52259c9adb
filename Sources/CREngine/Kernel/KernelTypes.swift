import CPlatform
import Glibc

/// Where the running kernel has the members of its structures, by its own description of them. See
/// Documentation/bpf/btf.rst.
struct KernelTypes {
    private let bytes: [UInt8]
    /// Where each type begins.
    private var places: [UInt32]

    /// Throws ENOENT where the kernel was built without (CONFIG_DEBUG_INFO_BTF), and ENOTSUP where it cannot be read.
    init() throws(Errno) {
        bytes = try OwnedFD.open("/sys/kernel/btf/vmlinux", O_RDONLY).readToEnd()
        let leastSize = 12
        var places = [UInt32](repeating: 0, count: bytes.count / leastSize + 1)
        let count = bytes.withUnsafeBufferPointer { bytes in
            places.withUnsafeMutableBufferPointer {
                cp_btf_index(bytes.baseAddress, bytes.count, $0.baseAddress, $0.count)
            }
        }
        if count == 0 { throw Errno(rawValue: ENOTSUP) }
        places.removeLast(places.count - count)
        self.places = places
    }

    /// The number of a function. Throws ENOENT.
    func function(_ name: String) throws(Errno) -> UInt32 {
        let number = with { cp_btf_function($0, $1, $2, name) }
        if number == 0 { throw .noEntry }
        return number
    }

    /// Bytes from the begin of a structure to a member. Throws ENOENT.
    func offset(_ structure: String, _ member: String) throws(Errno) -> Int32 {
        let offset = with { cp_btf_member($0, $1, $2, cp_btf_structure($0, $1, $2, structure), member) }
        if offset < 0 { throw .noEntry }
        return offset
    }

    private func with<Result>(
        _ body: (UnsafePointer<UInt8>?, UnsafePointer<UInt32>?, Int) -> Result
    ) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            places.withUnsafeBufferPointer { body(bytes.baseAddress, $0.baseAddress, $0.count) }
        }
    }
}
