/// /proc/PID/auxv: words in pairs of key and value, the terminator included. See getauxval(3).
package enum AuxiliaryVector {
    package static func parse(_ bytes: [UInt8]) throws(ProcFormatError) -> [UInt64] {
        guard bytes.count.isMultiple(of: 16) else {
            throw ProcFormatError(file: "auxv", detail: "\(bytes.count) bytes are no pairs of words")
        }
        return stride(from: 0, to: bytes.count, by: 8).map { place in
            bytes[place..<(place + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}
