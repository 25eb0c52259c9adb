import Glibc

/// Takes /proc/PID/maps or smaps in pieces as read(2) gives them: of 60,000 mappings smaps has 40 MiB.
package struct AreaListParser {
    private var rows: [AreaRow] = []
    /// The key comes before the flags.
    private var hasKey = false
    /// A line of which the end has not come yet.
    private var rest: [UInt8] = []

    package init() {}

    /// The next bytes of the file. Throws where a head line is malformed.
    package mutating func take(_ bytes: UnsafeRawBufferPointer) throws(ProcFormatError) {
        var place = 0
        while let end = Self.lineFeed(in: bytes, from: place) {
            let line = UnsafeRawBufferPointer(rebasing: bytes[place..<end])
            place = end + 1
            if rest.isEmpty {
                try take(line: line)
            } else {
                try finishRest(line)
            }
        }
        rest.append(contentsOf: bytes[place...])
    }

    /// All rows in order of address, when the file has ended.
    package consuming func finish() throws(ProcFormatError) -> [AreaRow] {
        if !rest.isEmpty { try finishRest(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return rows
    }

    private mutating func finishRest(_ end: UnsafeRawBufferPointer) throws(ProcFormatError) {
        let line = rest + Array(end)
        rest = []
        try line.withUnsafeBufferPointer { (line) throws(ProcFormatError) -> Void in
            try take(line: UnsafeRawBufferPointer(line))
        }
    }

    private mutating func take(line: UnsafeRawBufferPointer) throws(ProcFormatError) {
        guard let first = line.first else { return }
        // Lines of details start with a capital letter, head lines with a hexadecimal digit in lower case.
        if first < UInt8(ascii: "A") || first > UInt8(ascii: "Z") {
            guard let row = Self.head(line) else {
                throw ProcFormatError(file: "maps", detail: String(decoding: line, as: UTF8.self))
            }
            rows.append(row)
            hasKey = false
            return
        }
        // Most lines of smaps are of no interest, which their first letter shows.
        guard !rows.isEmpty, Self.initials.contains(first) else { return }
        if let size = Self.kilobytes(line, of: "KernelPageSize:") {
            rows[rows.count - 1].pageSize = size << 10
        } else if let size = Self.kilobytes(line, of: "Shared_Clean:")
            ?? Self.kilobytes(line, of: "Shared_Dirty:") ?? Self.kilobytes(line, of: "Shared_Hugetlb:")
        {
            if size > 0 { rows[rows.count - 1].hasSharedPages = true }
        } else if let key = Self.kilobytes(line, of: "ProtectionKey:") {
            hasKey = key != 0
        } else if let codes = Self.tail(line, of: "VmFlags:") {
            var flags = AreaFlags(parsing: codes)
            if hasKey { flags.insert(.protectionKey) }
            rows[rows.count - 1].flags = flags
        }
    }

    /// Of the lines that are looked at: K, P, S and V.
    private static let initials: [UInt8] = [0x4b, 0x50, 0x53, 0x56]

    /// Where the next line feed is.
    private static func lineFeed(in bytes: UnsafeRawBufferPointer, from place: Int) -> Int? {
        guard let base = bytes.baseAddress, place < bytes.count,
            let found = memchr(base + place, 0x0a, bytes.count - place)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// What is behind the name of a detail; nil for a line of another.
    private static func tail(
        _ line: UnsafeRawBufferPointer, of name: StaticString
    ) -> UnsafeRawBufferPointer? {
        let count = name.utf8CodeUnitCount
        guard line.count >= count, let base = line.baseAddress, memcmp(base, name.utf8Start, count) == 0
        else { return nil }
        return UnsafeRawBufferPointer(rebasing: line[count...])
    }

    /// The number behind the name of a detail; nil for a line of another.
    private static func kilobytes(_ line: UnsafeRawBufferPointer, of name: StaticString) -> UInt64? {
        guard let tail = tail(line, of: name) else { return nil }
        var cursor = HeadCursor(tail)
        cursor.skipBlanks()
        return cursor.number(radix: 10)
    }

    /// `START-END PERM OFFSET MAJOR:MINOR INODE NAME`.
    private static func head(_ line: UnsafeRawBufferPointer) -> AreaRow? {
        var cursor = HeadCursor(line)
        guard let start = cursor.number(radix: 16), cursor.skip(UInt8(ascii: "-")),
            let end = cursor.number(radix: 16), cursor.skip(UInt8(ascii: " ")),
            let permissions = cursor.letters(4), cursor.skip(UInt8(ascii: " ")),
            let offset = cursor.number(radix: 16), cursor.skip(UInt8(ascii: " ")),
            let major = cursor.number(radix: 16), cursor.skip(UInt8(ascii: ":")),
            let minor = cursor.number(radix: 16), cursor.skip(UInt8(ascii: " ")),
            let inode = cursor.number(radix: 10), cursor.isAtEnd || cursor.skip(UInt8(ascii: " "))
        else { return nil }
        var protection: UInt32 = 0
        if permissions[0] == UInt8(ascii: "r") { protection |= 1 }
        if permissions[1] == UInt8(ascii: "w") { protection |= 2 }
        if permissions[2] == UInt8(ascii: "x") { protection |= 4 }
        // The name is set off by blanks and may hold and start with blanks itself: column 73, or one blank on.
        cursor.skipBlanks()
        return AreaRow(
            start: start, end: end, protection: protection, isShared: permissions[3] == UInt8(ascii: "s"),
            offset: offset,
            device: DeviceNumber(UInt32(truncatingIfNeeded: major), UInt32(truncatingIfNeeded: minor)),
            inode: inode, name: cursor.isAtEnd ? "" : Array(cursor.rest)[...].unescaped.text, flags: nil)
    }
}

/// Goes through one line.
private struct HeadCursor {
    private let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { place == bytes.count }
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[place...]) }

    mutating func skipBlanks() { while place < bytes.count, bytes[place] == 0x20 { place += 1 } }

    mutating func skip(_ byte: UInt8) -> Bool {
        guard place < bytes.count, bytes[place] == byte else { return false }
        place += 1
        return true
    }

    mutating func letters(_ count: Int) -> UnsafeRawBufferPointer? {
        guard bytes.count - place >= count else { return nil }
        defer { place += count }
        return UnsafeRawBufferPointer(rebasing: bytes[place..<place + count])
    }

    /// The digits that come next; nil where there are none, or too many.
    mutating func number(radix: UInt64) -> UInt64? {
        let start = place
        var value: UInt64 = 0
        while place < bytes.count, let digit = Self.digit(bytes[place]), digit < radix {
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: radix)
            if isTooLarge { return nil }
            let (sum, carries) = product.addingReportingOverflow(digit)
            if carries { return nil }
            value = sum
            place += 1
        }
        return place == start ? nil : value
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
