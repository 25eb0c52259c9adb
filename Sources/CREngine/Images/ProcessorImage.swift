import CPlatform

/// `cpuinfo.img`: what the processor of a dump can do, in CRIU's words. See --cpu-cap in criu(8).
package struct ProcessorImage: Equatable, Sendable {
    /// 1 is Intel, 2 AMD.
    var vendor: UInt32 = 0
    var family: UInt32 = 0
    var model: UInt32 = 0
    var stepping: UInt32 = 0
    /// Registers of CPUID as `leaves` has them.
    var words: [UInt32] = []
    var name = ""
    /// Components of the XSAVE area that the processor knows, and the sizes of the area in bytes.
    var components: UInt64 = 0
    var size: UInt32 = 0
    var largestSize: UInt32 = 0

    /// Each word's leaf, subleaf and register; nil for words that CRIU makes up itself.
    private static let leaves: [(leaf: UInt32, subleaf: UInt32, register: Register)?] = [
        (1, 0, .edx), (0x8000_0001, 0, .edx), (0x8086_0001, 0, .edx), nil, (1, 0, .ecx),
        (0xc000_0001, 0, .edx),
        (0x8000_0001, 0, .ecx), nil, nil, (7, 0, .ebx), (13, 1, .eax), (7, 0, .ecx), (15, 1, .edx),
        (0x8000_0008, 0, .ebx), (6, 0, .eax), (0x8000_000a, 0, .edx), (15, 0, .edx), (0x8000_0007, 0, .ebx),
        (7, 0, .edx),
    ]
    private enum Register {
        case eax, ebx, ecx, edx

        func value(_ leaf: UInt32, _ subleaf: UInt32) -> UInt32 {
            let registers = cp_cpuid(leaf, subleaf)
            return switch self {
            case .eax: registers.eax
            case .ebx: registers.ebx
            case .ecx: registers.ecx
            case .edx: registers.edx
            }
        }
    }

    /// Bits by word that stand for instructions of user space; the others are the system's.
    private static let instructions: [Int: UInt32] = [
        0: 0x0788_8911, 1: 0xca40_0800, 4: 0x7e98_3203, 6: 0x0021_0960, 9: 0xdfab_0379, 10: 0x7,
        11: 0x5e40_5fe2, 18: 0x03c0_410c,
    ]

    /// This processor.
    package static func ofThisMachine() -> ProcessorImage {
        var image = ProcessorImage()
        let first = cp_cpuid(0, 0)
        // The letters of "Genu" and "Auth".
        image.vendor = first.ebx == 0x756e_6547 ? 1 : first.ebx == 0x6874_7541 ? 2 : 0
        let signature = cp_cpuid(1, 0).eax
        let family = signature >> 8 & 0xf
        image.family = family == 15 ? family + (signature >> 20 & 0xff) : family
        image.model = signature >> 4 & 0xf | (image.family >= 6 ? (signature >> 16 & 0xf) << 4 : 0)
        image.stepping = signature & 0xf
        image.words = leaves.map { place in
            place.map { $0.register.value($0.leaf, $0.subleaf) } ?? 0
        }
        let letters = (0x8000_0002...0x8000_0004).flatMap { leaf -> [UInt8] in
            let registers = cp_cpuid(UInt32(leaf), 0)
            return [registers.eax, registers.ebx, registers.ecx, registers.edx].flatMap { word in
                withUnsafeBytes(of: word.littleEndian) { Array($0) }
            }
        }
        image.name = String(decoding: letters.prefix { $0 != 0 }, as: UTF8.self)
        let area = cp_cpuid(13, 0)
        // CRIU leaves out the component of SSE, which every processor of 64 bits has, and would miss it here.
        image.components = UInt64(area.edx) << 32 | UInt64(area.eax) & ~2
        (image.size, image.largestSize) = (area.ebx, area.ecx)
        return image
    }

    /// What of this processor another one lacks, in words; nothing where it can take its trees.
    package func problems(on other: ProcessorImage, _ check: ProcessorCheck) -> [String] {
        var found: [String] = []
        if check.contains(.all) {
            let compared = words.indices.filter { Self.leaves[$0] != nil }
            if (vendor, family, model) != (other.vendor, other.family, other.model)
                || compared.contains(where: { words[$0] != other.words[$0] })
            {
                found.append("is another processor than \(name)")
            }
        }
        if check.contains(.floatingPoint) {
            // FPU and FXSR; OSXSAVE; XSAVES
            let bits: [(word: Int, bit: UInt32)] = [(0, 0), (0, 24), (4, 27), (10, 3)]
            if bits.contains(where: { words[$0.word] & ~other.words[$0.word] & 1 << $0.bit != 0 })
                || components & ~other.components != 0
            {
                found.append(
                    "lacks register state that the dump's had (components \(components & ~other.components))")
            }
            if (size, largestSize) != (other.size, other.largestSize) {
                found.append(
                    "has an XSAVE area of \(other.size) bytes, at most \(other.largestSize), and the dump's had \(size) and \(largestSize)"
                )
            }
        }
        if check.contains(.instructions),
            let word = Self.instructions.keys.sorted().first(where: {
                words[$0] & ~other.words[$0] & (Self.instructions[$0] ?? 0) != 0
            })
        {
            let bits = words[word] & ~other.words[word] & (Self.instructions[word] ?? 0)
            found.append(
                "lacks instructions that the dump's had (word \(word), bits 0x\(String(bits, radix: 16)))")
        }
        return found
    }

    /// Writes the file.
    package func write(to directory: borrowing OwnedFD) throws(ImageError) {
        let packed = MessageArena.pack { arena in
            let row = arena.make(cpuinfo_x86_entry__init)
            row.pointee.vendor_id = CpuinfoX86Entry__Vendor(vendor)
            row.pointee.cpu_family = family
            row.pointee.model = model
            row.pointee.stepping = stepping
            row.pointee.capability_ver = 2
            (row.pointee.n_capability, row.pointee.capability) = (words.count, arena.array(words))
            row.pointee.model_id = arena.string(name)
            (row.pointee.has_xfeatures_mask, row.pointee.xfeatures_mask) = (1, components)
            (row.pointee.has_xsave_size, row.pointee.xsave_size) = (1, size)
            (row.pointee.has_xsave_size_max, row.pointee.xsave_size_max) = (1, largestSize)
            let message = arena.make(cpuinfo_entry__init)
            (message.pointee.n_x86_entry, message.pointee.x86_entry) = (1, arena.array(messages: [row]))
            return message
        }
        try ImageSet.writeOne(.processor, ImageName.processor, packed, to: directory)
    }

    /// Reads the file; nil where there is none.
    package static func read(from directory: borrowing OwnedFD) throws(ImageError) -> ProcessorImage? {
        // Alone in its directory it is of a criu that knows both words.
        let hasSet = try ImageDirectory.openIfPresent(ImageName.inventory, in: directory) != nil
        let framing = hasSet ? try ImageSet.framing(of: directory) : .twoWords
        guard
            var reader = try ImageFileReader.openIfPresent(
                .processor, name: ImageName.processor, in: directory, framing: framing)
        else { return nil }
        let entry = try reader.single()
        return try entry.read(cpuinfo_entry__unpack) { (message) throws(ImageError) -> ProcessorImage in
            let rows: [CpuinfoX86Entry] = messageList(message.x86_entry, message.n_x86_entry)
            guard let row = rows.first, rows.count == 1, row.n_capability == leaves.count else {
                throw entry.error("is not of one x86-64 processor with \(leaves.count) words")
            }
            var image = ProcessorImage()
            image.vendor = row.vendor_id.rawValue
            (image.family, image.model, image.stepping) = (row.cpu_family, row.model, row.stepping)
            image.words = Array(UnsafeBufferPointer(start: row.capability, count: row.n_capability))
            if row.model_id != nil { image.name = try entry.text(row.model_id, "name of a processor") }
            image.components = given(row.has_xfeatures_mask, row.xfeatures_mask) ?? 0
            image.size = given(row.has_xsave_size, row.xsave_size) ?? 0
            image.largestSize = given(row.has_xsave_size_max, row.xsave_size_max) ?? 0
            return image
        }
    }
}

/// What of two processors is compared: CRIU's --cpu-cap.
package struct ProcessorCheck: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let floatingPoint = ProcessorCheck(rawValue: 1)
    /// All words must be the same.
    package static let all = ProcessorCheck(rawValue: 2)
    package static let instructions = ProcessorCheck(rawValue: 4)

    /// Words of the command line with commas between, each with `^` before it to take it away: `fpu`, `cpu`, `ins`, `all`,
    /// `none`. Nil for others.
    package init?(words: String) {
        var check = ProcessorCheck()
        for word in words.split(separator: ",", omittingEmptySubsequences: false) {
            let isTaken = word.hasPrefix("^")
            let meant: ProcessorCheck
            switch word.drop(while: { $0 == "^" }) {
            case "fpu": meant = .floatingPoint
            case "cpu": meant = .all
            case "ins": meant = .instructions
            case "all": meant = [.floatingPoint, .all, .instructions]
            case "none":
                check = isTaken ? [.floatingPoint, .all, .instructions] : []
                continue
            default: return nil
            }
            if isTaken { check.subtract(meant) } else { check.formUnion(meant) }
        }
        self = check
    }
}
