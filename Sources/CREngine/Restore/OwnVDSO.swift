import CPlatform
import Glibc

/// The vdso and vvar mappings of this process, which every stub starts with.
struct OwnVDSO: Sendable {
    struct Piece: Equatable, Sendable {
        var start: UInt64
        var end: UInt64
        var isCode: Bool
        var size: UInt64 { end - start }
    }
    /// Ascending by address; the code is one of them.
    let pieces: [Piece]
    let code: Piece
    /// Bytes of the code mapping.
    let bytes: [UInt8]
    /// Where in the code the bytes 0F 05 are.
    let gadgetOffset: Int

    var dataSize: UInt64 { pieces.filter { !$0.isCode }.reduce(0) { $0 + $1.size } }

    /// Reads /proc/self/maps and the code itself.
    init() throws(RestoreError) {
        let text = try RestoreError.about("/proc/self/maps", "cannot be read") { () throws(Errno) in
            try ProcText.read("/proc/self/maps")
        }
        var found: [Piece] = []
        for line in text.split(separator: "\n") {
            let isCode = line.hasSuffix("[vdso]")
            guard isCode || line.contains("[vvar") else { continue }
            let range = line.prefix { $0 != " " }.split(separator: "-")
            guard range.count == 2, let start = UInt64(range[0], radix: 16),
                let end = UInt64(range[1], radix: 16)
            else { continue }
            found.append(Piece(start: start, end: end, isCode: isCode))
        }
        guard let code = found.first(where: \.isCode),
            let base = UnsafeRawPointer(bitPattern: UInt(code.start))
        else {
            throw RestoreError("this process", "has no vdso", remedy: "boot the kernel without vdso=0")
        }
        let bytes = [UInt8](UnsafeRawBufferPointer(start: base, count: Int(code.size)))
        guard
            let offset = bytes.indices.dropLast().first(where: { bytes[$0] == 0x0f && bytes[$0 + 1] == 0x05 })
        else {
            throw RestoreError("vdso of this kernel", "has no syscall instruction")
        }
        self.pieces = found
        self.code = code
        self.bytes = bytes
        self.gadgetOffset = offset
    }

    /// True when two vdso images come from the same kernel build: equal, or with equal note segments, which hold
    /// the build id. (Instructions may differ, as the kernel patches them for the CPU at boot.)
    static func sameBuild(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        if a == b { return true }
        guard let one = BuildID.inELF(a), let other = BuildID.inELF(b) else { return false }
        return one == other
    }
}
