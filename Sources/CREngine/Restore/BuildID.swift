/// The GNU build id of an ELF file. See elf(5), NT_GNU_BUILD_ID.
enum BuildID {
    /// Bytes of the build id in the head of a 64-bit little-endian ELF file; nil where there is none.
    static func inELF(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= 64, bytes[0..<4] == [0x7f, 0x45, 0x4c, 0x46], bytes[4] == 2, bytes[5] == 1 else {
            return nil
        }
        let table = number(bytes, 32, 8)
        let entrySize = number(bytes, 54, 2)
        let count = number(bytes, 56, 2)
        for index in 0..<count {
            let entry = table &+ index &* entrySize
            guard entrySize >= 56, entry >= 0, entry + 56 <= bytes.count else { return nil }
            let isNote = number(bytes, entry, 4) == 4
            if isNote,
                let found = inNotes(
                    bytes, from: number(bytes, entry + 8, 8), size: number(bytes, entry + 32, 8))
            {
                return found
            }
        }
        return nil
    }

    /// The same as CRIU stores it: little-endian words, zero padded.
    static func words(_ id: [UInt8]) -> [UInt32] {
        stride(from: 0, to: id.count, by: 4).map { start in
            (start..<min(start + 4, id.count)).reduce(0) { $0 | UInt32(id[$1]) << (8 * ($1 - start)) }
        }
    }

    private static func inNotes(_ bytes: [UInt8], from start: Int, size: Int) -> [UInt8]? {
        guard start >= 0, size >= 0, start <= bytes.count, size <= bytes.count - start else { return nil }
        var at = start
        while at + 12 <= start + size {
            let nameSize = number(bytes, at, 4)
            let valueSize = number(bytes, at + 4, 4)
            let value = at + 12 + (nameSize + 3) / 4 * 4
            guard value + valueSize <= start + size else { return nil }
            let isBuildID = number(bytes, at + 8, 4) == 3 && nameSize == 4
            if isBuildID, bytes[(at + 12)..<(at + 16)] == [0x47, 0x4e, 0x55, 0] {
                return Array(bytes[value..<value + valueSize])
            }
            at = value + (valueSize + 3) / 4 * 4
        }
        return nil
    }

    /// An unsigned little-endian number; one that does not fit is -1.
    private static func number(_ bytes: [UInt8], _ at: Int, _ size: Int) -> Int {
        let value = (0..<size).reduce(UInt64(0)) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
        return Int(exactly: value) ?? -1
    }
}
