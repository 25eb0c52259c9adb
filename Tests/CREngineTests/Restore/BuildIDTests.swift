import Testing

@testable import CREngine

@Suite struct BuildIDTests {
    /// An ELF head with one note segment.
    private func elf(note: [UInt8], noteSize: Int? = nil) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64 + 56)
        bytes.replaceSubrange(0..<6, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1])
        bytes[32] = 64
        bytes[54] = 56
        bytes[56] = 1
        bytes[64] = 4
        bytes[64 + 8] = UInt8(bytes.count)
        bytes[64 + 32] = UInt8(noteSize ?? note.count)
        return bytes + note
    }

    private let note: [UInt8] = [
        4, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 0x47, 0x4e, 0x55, 0, 1, 2, 3, 4, 5, 0, 0, 0,
    ]

    @Test func `the id is found in the note segment`() {
        #expect(BuildID.inELF(elf(note: note)) == [1, 2, 3, 4, 5])
    }

    @Test func `words are little-endian and padded with zeros`() {
        #expect(BuildID.words([1, 2, 3, 4, 5]) == [0x0403_0201, 5])
    }

    @Test func `a segment that reaches beyond the file has no id`() {
        #expect(BuildID.inELF(elf(note: note, noteSize: 200)) == nil)
    }

    @Test func `a value that reaches beyond its segment is no id`() {
        var broken = note
        broken[4] = 100
        #expect(BuildID.inELF(elf(note: broken)) == nil)
    }

    @Test func `something else than an ELF file has none`() {
        #expect(BuildID.inELF([UInt8](repeating: 0x23, count: 200)) == nil)
        #expect(BuildID.inELF([]) == nil)
    }

    @Test func `our own vdso has one and is the same build as itself`() throws {
        let own = try OwnVDSO()
        #expect(BuildID.inELF(own.bytes) != nil)
        var patched = own.bytes
        patched[own.gadgetOffset] ^= 1
        #expect(OwnVDSO.sameBuild(own.bytes, patched))
        #expect(!OwnVDSO.sameBuild(own.bytes, own.bytes + [0]))
    }
}
