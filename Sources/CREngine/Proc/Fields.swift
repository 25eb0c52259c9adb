/// The bytes of one line or field of a file of /proc.
package typealias Field = ArraySlice<UInt8>

/// A file of /proc that does not look as the kernel writes it.
package struct ProcFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Name of the file below /proc/PID.
    package let file: String
    /// What could not be understood.
    package let detail: String
    package init(file: String, detail: String) {
        self.file = file
        self.detail = detail
    }
    package var description: String { "/proc/PID/\(file): \(detail); this kernel is not known to this build" }
}

extension ArraySlice<UInt8> {
    /// The number in decimal digits; nil for anything else and for overflow.
    var decimal: UInt64? { number(radix: 10) }
    /// The number in hexadecimal digits without prefix.
    var hexadecimal: UInt64? { number(radix: 16) }
    /// The number in octal digits.
    var octal: UInt64? { number(radix: 8) }

    /// A decimal number that may be negative.
    var signedDecimal: Int64? {
        guard first == UInt8(ascii: "-") else { return decimal.flatMap { Int64(exactly: $0) } }
        return dropFirst().decimal.flatMap { Int64(exactly: $0) }.map { -$0 }
    }

    /// As text; bytes that are no UTF-8 become U+FFFD.
    var text: String { String(decoding: self, as: UTF8.self) }

    /// The runs between blanks and tabs.
    var words: [Field] { split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }

    /// Without blanks and tabs at both ends.
    var trimmed: Field {
        var part = self
        while let byte = part.first, byte == 0x20 || byte == 0x09 { part = part.dropFirst() }
        while let byte = part.last, byte == 0x20 || byte == 0x09 { part = part.dropLast() }
        return part
    }

    /// The parts before and after the first such byte; nil where there is none.
    func cut(at byte: UInt8) -> (before: Field, after: Field)? {
        guard let place = firstIndex(of: byte) else { return nil }
        return (self[startIndex..<place], self[index(after: place)...])
    }

    /// Whether these bytes start with the ASCII text.
    func starts(with text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { zip($0, self).allSatisfy { $0 == $1 } }
    }

    /// Octal escapes such as `\012` turned back, as the kernel's mangle_path writes them.
    var unescaped: Field {
        guard contains(UInt8(ascii: "\\")) else { return self }
        var result: [UInt8] = []
        var rest = self
        while let byte = rest.first {
            let code = rest.dropFirst().prefix(3)
            if byte == UInt8(ascii: "\\"), code.count == 3, let value = code.octal, value < 256 {
                result.append(UInt8(value))
                rest = rest.dropFirst(4)
            } else {
                result.append(byte)
                rest = rest.dropFirst()
            }
        }
        return result[...]
    }

    private func number(radix: UInt64) -> UInt64? {
        if isEmpty { return nil }
        var value: UInt64 = 0
        for byte in self {
            let digit: UInt64
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a")) + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = UInt64(byte - UInt8(ascii: "A")) + 10
            default: return nil
            }
            if digit >= radix { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }
}

extension [UInt8] {
    /// The lines, without their ends; an empty last line is left out.
    var lines: [Field] { self[...].split(separator: 0x0a) }
}
