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

    /// The bit of each pair of lower case letters, by 26 times the first and the second; 63 for no code of these.
    private static let bits: [UInt8] = {
        var bits = [UInt8](repeating: 63, count: 26 * 26)
        for (bit, code) in codes.enumerated() {
            code.withUTF8Buffer { bits[Int($0[0] - 0x61) * 26 + Int($0[1] - 0x61)] = UInt8(bit) }
        }
        return bits
    }()

    /// The codes after `VmFlags:`.
    init(parsing codes: UnsafeRawBufferPointer) {
        var value: UInt64 = 0
        var place = 0
        while place < codes.count {
            if codes[place] == 0x20 {
                place += 1
                continue
            }
            let start = place
            while place < codes.count, codes[place] != 0x20 { place += 1 }
            let letters: ClosedRange<UInt8> = 0x61...0x7a
            if place == start + 2, letters.contains(codes[start]), letters.contains(codes[start + 1]) {
                let pair = Int(codes[start] - 0x61) * 26 + Int(codes[start + 1] - 0x61)
                value |= 1 << UInt64(Self.bits[pair])
            } else {
                value |= Self.unknown.rawValue
            }
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
        var parser = AreaListParser()
        try bytes.withUnsafeBufferPointer { (bytes) throws(ProcFormatError) -> Void in
            try parser.take(UnsafeRawBufferPointer(bytes))
        }
        return try parser.finish()
    }
}
