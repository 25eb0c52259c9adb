import Glibc

/// A device number.
package struct DeviceNumber: Hashable, Sendable, CustomStringConvertible {
    package var major: UInt32
    package var minor: UInt32
    package init(_ major: UInt32, _ minor: UInt32) {
        self.major = major
        self.minor = minor
    }
    /// As the kernel keeps it and CRIU stores it: major<<20|minor.
    package var kernelEncoding: UInt32 { major << 20 | minor }
    package var description: String { "\(major):\(minor)" }
}

/// The two-letter flags of the `VmFlags:` line. See proc_pid_smaps(5) and show_smap_vma_flags in fs/proc/task_mmu.c.
package struct AreaFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Order gives the bit.
    private static let codes: [StaticString] = [
        "rd", "wr", "ex", "sh", "mr", "mw", "me", "ms", "gd", "pf", "lo", "io", "sr", "rr", "dc", "de", "ac",
        "nr", "ht", "sf", "ar", "wf", "dd", "sd", "mm", "hg", "nh", "mg", "bt", "mt", "um", "uw", "ui", "ss",
        "sl", "lf", "dp", "gu",
    ]
    package static let mayWrite = AreaFlags(rawValue: 1 << 5)
    package static let growsDown = AreaFlags(rawValue: 1 << 8)
    package static let pureFrameNumbers = AreaFlags(rawValue: 1 << 9)
    package static let locked = AreaFlags(rawValue: 1 << 10)
    package static let deviceMemory = AreaFlags(rawValue: 1 << 11)
    package static let sequential = AreaFlags(rawValue: 1 << 12)
    package static let random = AreaFlags(rawValue: 1 << 13)
    package static let notForked = AreaFlags(rawValue: 1 << 14)
    package static let noReserve = AreaFlags(rawValue: 1 << 17)
    package static let hugePages = AreaFlags(rawValue: 1 << 18)
    package static let wipedOnFork = AreaFlags(rawValue: 1 << 21)
    package static let notDumped = AreaFlags(rawValue: 1 << 22)
    package static let transparentHuge = AreaFlags(rawValue: 1 << 25)
    package static let noTransparentHuge = AreaFlags(rawValue: 1 << 26)
    package static let mergeable = AreaFlags(rawValue: 1 << 27)
    package static let faultsMissing = AreaFlags(rawValue: 1 << 30)
    package static let faultsWriteProtected = AreaFlags(rawValue: 1 << 31)
    package static let faultsMinor = AreaFlags(rawValue: 1 << 32)
    package static let shadowStack = AreaFlags(rawValue: 1 << 33)
    package static let sealed = AreaFlags(rawValue: 1 << 34)
    package static let lockedOnFault = AreaFlags(rawValue: 1 << 35)
    package static let droppable = AreaFlags(rawValue: 1 << 36)
    package static let guarded = AreaFlags(rawValue: 1 << 37)
    /// Not of that line: `ProtectionKey:` is not 0.
    package static let protectionKey = AreaFlags(rawValue: 1 << 62)
    /// A code that this build does not know.
    package static let unknown = AreaFlags(rawValue: 1 << 63)

    private static let bits: [UInt16: Int] = {
        var bits: [UInt16: Int] = [:]
        for (bit, code) in codes.enumerated() {
            code.withUTF8Buffer { bits[UInt16($0[0]) << 8 | UInt16($0[1])] = bit }
        }
        return bits
    }()

    /// The codes after `VmFlags:`.
    init(parsing field: Field) {
        var value: UInt64 = 0
        for word in field.words {
            guard word.count == 2, let first = word.first, let second = word.last,
                let bit = Self.bits[UInt16(first) << 8 | UInt16(second)]
            else {
                value |= Self.unknown.rawValue
                continue
            }
            value |= 1 << UInt64(bit)
        }
        self.init(rawValue: value)
    }
}

/// One mapping as /proc/PID/maps or smaps has it.
package struct AreaRow: Equatable, Sendable {
    package var start: UInt64
    /// Exclusive.
    package var end: UInt64
    /// PROT_*
    package var protection: UInt32
    package var isShared: Bool
    /// Bytes into the file.
    package var offset: UInt64
    package var device: DeviceNumber
    package var inode: UInt64
    /// Path or `[name]`, with ` (deleted)` where the kernel adds it; empty for anonymous memory.
    package var name: String
    /// Nil where only maps was read.
    package var flags: AreaFlags?
    /// Whether somebody else maps pages of it, too; of private memory, what is shared copy-on-write.
    package var hasSharedPages = false
    /// Bytes; other than 4096 for what is of hugetlbfs.
    package var pageSize: UInt64 = 4096
}

/// Rows of /proc/PID/maps or smaps.
package enum AreaList {
    /// In order of address. Throws where a head line is malformed.
    package static func parse(_ bytes: [UInt8]) throws(ProcFormatError) -> [AreaRow] {
        var rows: [AreaRow] = []
        // The key comes before the flags.
        var hasKey = false
        var place = 0
        while place < bytes.count {
            let begin = place
            let first = bytes[begin]
            // Most lines of smaps are of no interest, so their end is all that is looked for.
            let end = Self.end(of: begin, in: bytes)
            place = end + 1
            if end == begin { continue }
            // Lines of details start with a capital letter, head lines with a hexadecimal digit in lower case.
            if first >= UInt8(ascii: "A") && first <= UInt8(ascii: "Z") {
                guard !rows.isEmpty, Self.initials.contains(first) else { continue }
                let line = bytes[begin..<end]
                if first == UInt8(ascii: "S") || first == UInt8(ascii: "K") {
                    take(line, into: &rows[rows.count - 1])
                    continue
                }
                if line.starts(with: "ProtectionKey:") {
                    hasKey = line.dropFirst("ProtectionKey:".utf8.count).trimmed.decimal != 0
                } else if line.starts(with: "VmFlags:") {
                    var flags = AreaFlags(parsing: line.dropFirst("VmFlags:".utf8.count))
                    if hasKey { flags.insert(.protectionKey) }
                    rows[rows.count - 1].flags = flags
                }
                continue
            }
            let line = bytes[begin..<end]
            guard let row = head(line) else { throw ProcFormatError(file: "maps", detail: line.text) }
            rows.append(row)
            hasKey = false
        }
        return rows
    }

    /// Of the lines that are looked at.
    private static let initials: [UInt8] = [0x4b, 0x50, 0x53, 0x56]

    /// How large pages are, and how much others have of it as well.
    private static func take(_ line: Field, into row: inout AreaRow) {
        let isSize = line.starts(with: "KernelPageSize:")
        guard
            isSize || line.starts(with: "Shared_Clean:") || line.starts(with: "Shared_Dirty:")
                || line.starts(with: "Shared_Hugetlb:"),
            let (_, value) = line.cut(at: UInt8(ascii: ":")), let kilobytes = value.words.first?.decimal
        else { return }
        if isSize {
            row.pageSize = kilobytes << 10
        } else if kilobytes > 0 {
            row.hasSharedPages = true
        }
    }

    /// Where the line that begins here ends: at the line feed, or at the end of all.
    private static func end(of begin: Int, in bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress,
                let found = memchr(base + begin, 0x0a, buffer.count - begin)
            else { return buffer.count }
            return UnsafeRawPointer(found) - base
        }
    }

    private static func head(_ line: Field) -> AreaRow? {
        // The name is set off by blanks and may hold and start with blanks itself: column 73, or one blank on.
        let fields = line.split(
            separator: UInt8(ascii: " "), maxSplits: 5, omittingEmptySubsequences: false)
        guard fields.count >= 5, let (low, high) = fields[0].cut(at: UInt8(ascii: "-")),
            let (major, minor) = fields[3].cut(at: UInt8(ascii: ":")), let start = low.hexadecimal,
            let end = high.hexadecimal, fields[1].count == 4, let offset = fields[2].hexadecimal,
            let majorNumber = major.hexadecimal, let minorNumber = minor.hexadecimal,
            let inode = fields[4].decimal
        else { return nil }
        let permissions = Array(fields[1])
        var protection: UInt32 = 0
        if permissions[0] == UInt8(ascii: "r") { protection |= 1 }
        if permissions[1] == UInt8(ascii: "w") { protection |= 2 }
        if permissions[2] == UInt8(ascii: "x") { protection |= 4 }
        var name = fields.count > 5 ? fields[5] : []
        while name.first == UInt8(ascii: " ") { name = name.dropFirst() }
        return AreaRow(
            start: start, end: end, protection: protection, isShared: permissions[3] == UInt8(ascii: "s"),
            offset: offset,
            device: DeviceNumber(
                UInt32(truncatingIfNeeded: majorNumber), UInt32(truncatingIfNeeded: minorNumber)),
            inode: inode, name: name.unescaped.text, flags: nil)
    }
}
