/// Functions that a vdso exports, by name, as offsets into it. See vdso(7) and elf(5).
enum VDSOSymbols {
    /// Nil where the bytes are no vdso that can be understood. Nothing that they say is believed.
    static func functions(of bytes: [UInt8]) -> [String: UInt64]? {
        let image = Image(bytes: bytes)
        guard image.word(0, 4) == 0x464c_457f, bytes.count > 64, bytes[4] == 2,
            let table = image.word(32, 8), let size = image.word(54, 2), let count = image.word(56, 2)
        else { return nil }
        var dynamic: UInt64?
        for number in 0..<count {
            let (offset, overflow) = table.addingReportingOverflow(number * size)
            if overflow { return nil }
            let typeOfDynamic: UInt64 = 2
            if image.word(offset, 4) == typeOfDynamic { dynamic = image.word(offset &+ 8, 8) }
        }
        guard var place = dynamic else { return nil }
        var (symbols, strings, hash): (UInt64?, UInt64?, UInt64?)
        while let tag = image.word(place, 8), tag != 0, let value = image.word(place &+ 8, 8) {
            switch tag {
            case 4: hash = value
            case 5: strings = value
            case 6: symbols = value
            default: break
            }
            place = place &+ 16
        }
        guard let symbols, let strings else { return nil }
        // Without the old kind of hash table the names follow the symbols.
        let number =
            hash.flatMap { image.word($0 &+ 4, 4) } ?? (strings > symbols ? (strings - symbols) / 24 : 0)
        var found: [String: UInt64] = [:]
        for index in 0..<min(number, UInt64(bytes.count)) {
            let symbol = symbols &+ index * 24
            guard let name = image.word(symbol, 4), let info = image.word(symbol &+ 4, 1),
                let section = image.word(symbol &+ 6, 2), let value = image.word(symbol &+ 8, 8)
            else { return nil }
            let isFunction = info & 0xf == 2
            if isFunction, section != 0, value < UInt64(bytes.count), let text = image.text(strings &+ name) {
                found[text] = value
            }
        }
        return found.isEmpty ? nil : found
    }

    private struct Image {
        let bytes: [UInt8]

        func word(_ offset: UInt64, _ size: UInt64) -> UInt64? {
            guard offset <= UInt64(bytes.count), size <= UInt64(bytes.count) - offset else { return nil }
            return bytes[Int(offset)..<Int(offset + size)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }

        func text(_ offset: UInt64) -> String? {
            guard offset < UInt64(bytes.count) else { return nil }
            let rest = bytes[Int(offset)...]
            guard let end = rest.firstIndex(of: 0), end - Int(offset) < 128 else { return nil }
            return String(decoding: rest[..<end], as: UTF8.self)
        }
    }
}

/// Whether our vdso can take the place of an image's, which programs know by address.
///
/// With the same functions at the same places it can. Else it stays where it is, and the image's own code, which reads
/// kernel data of another layout, is put back as plain memory whose functions lead to ours: by a jump, or by a system
/// call where this kernel has no such function.
enum VDSOFit: Equatable {
    case same
    /// Contents for the old place.
    case proxy([UInt8])
    /// Why it cannot.
    case none(String)

    private static let systemCalls: [String: UInt32] = [
        "gettimeofday": 96, "time": 201, "clock_gettime": 228, "clock_getres": 229, "getcpu": 309,
        "getrandom": 318,
    ]

    /// `bytes` are the image's, nil where it has none; `place` is where the code of ours will be.
    static func of(
        _ bytes: [UInt8]?, size: UInt64, dataSize: UInt64, own: OwnVDSO, at place: UInt64
    ) -> VDSOFit {
        let isAlike = size == own.code.size && dataSize == own.dataSize
        guard let bytes else { return isAlike ? .same : .none("and its image has no page of it") }
        if isAlike, OwnVDSO.sameBuild(bytes, own.bytes) { return .same }
        guard let theirs = VDSOSymbols.functions(of: bytes), let ours = VDSOSymbols.functions(of: own.bytes)
        else { return .none("whose functions cannot be found") }
        if isAlike, theirs.allSatisfy({ ours[$0.key] == $0.value }) { return .same }
        return proxy(bytes, theirs, ours, place)
    }

    private static func proxy(
        _ bytes: [UInt8], _ theirs: [String: UInt64], _ ours: [String: UInt64], _ place: UInt64
    ) -> VDSOFit {
        var result = bytes
        var end: UInt64 = 0
        for (name, offset) in theirs.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
            let code: [UInt8]
            let short = name.hasPrefix("__vdso_") ? String(name.dropFirst(7)) : name
            if let target = ours[name] {
                // mov $target, %rax; jmp *%rax
                code =
                    [0x48, 0xb8] + withUnsafeBytes(of: (place &+ target).littleEndian) { Array($0) } + [
                        0xff, 0xe0,
                    ]
            } else if let number = systemCalls[short] {
                // mov $number, %eax; syscall; ret
                code = [0xb8] + withUnsafeBytes(of: number.littleEndian) { Array($0) } + [0x0f, 0x05, 0xc3]
            } else {
                return .none("whose function \(name) this kernel has not")
            }
            // A function may have two names.
            if offset < end, result[Int(offset)...].starts(with: code) { continue }
            guard offset >= end, Int(offset) + code.count <= result.count else {
                return .none("whose function \(name) is too short to lead elsewhere")
            }
            result.replaceSubrange(Int(offset)..<Int(offset) + code.count, with: code)
            end = offset + UInt64(code.count)
        }
        return .proxy(result)
    }
}
