/// A shell-like pattern on a path or a name, by bytes.
///
/// `*` stands for any run without `/`, `**` for any run, `?` for one byte other than `/`, `[a-z]` and `[!a-z]` for one
/// byte other than `/` out of a set; a backslash takes the next character as itself. The whole subject must match.
package struct Glob: Sendable, Equatable, Codable, CustomStringConvertible {
    /// Bytes. No path is longer; see PATH_MAX in limits.h(0p).
    static let maximumLength = 4096

    package let text: String
    private let pattern: Pattern

    /// What the text means, shared by all copies of a glob.
    private final class Pattern: Sendable {
        let tokens: [Token]
        let sets: [ByteSet]

        init(_ parsed: (tokens: [Token], sets: [ByteSet])) {
            tokens = parsed.tokens
            sets = parsed.sets
        }
    }

    private var tokens: [Token] { pattern.tokens }

    private enum Token: Sendable, Equatable {
        case byte(UInt8)
        /// Any one byte but `/`.
        case one
        /// Place in `sets`.
        case set(UInt16)
        /// A run without `/`.
        case run
        /// A run of anything.
        case deepRun

        var isRun: Bool { self == .run || self == .deepRun }
    }

    private func takes(_ token: Token, _ byte: UInt8) -> Bool {
        switch token {
        case .byte(let wanted): byte == wanted
        case .one, .run: byte != Glob.slash
        case .set(let place): byte != Glob.slash && pattern.sets[Int(place)].contains(byte)
        case .deepRun: true
        }
    }

    /// 256 bits.
    private struct ByteSet: Sendable, Equatable {
        var words: SIMD4<UInt64> = .zero

        mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
        mutating func insert(_ range: ClosedRange<UInt8>) {
            for place in 0..<4 {
                let least = max(Int(range.lowerBound), place * 64)
                let most = min(Int(range.upperBound), place * 64 + 63)
                guard least <= most else { continue }
                let ones = UInt64.max >> UInt64(63 - (most - least))
                words[place] |= ones << UInt64(least - place * 64)
            }
        }
        func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] >> UInt64(byte & 63) & 1 == 1 }
    }

    /// Nil where the pattern is broken: a `[` without `]`, a reversed range, a backslash at the end, or too long.
    package init?(_ text: String) {
        guard text.utf8.count <= Glob.maximumLength, let parsed = Glob.tokens(Array(text.utf8)) else {
            return nil
        }
        self.text = text
        pattern = Pattern(parsed)
    }

    /// The pattern that only this text matches; nil where it would be too long.
    package init?(literally text: String) {
        self.init(String(text.flatMap { "*?[]\\".contains($0) ? ["\\", $0] : [$0] }))
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let glob = Glob(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "broken glob pattern")
        }
        self = glob
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    package static func == (left: Glob, right: Glob) -> Bool { left.text == right.text }

    package var description: String { text }

    /// Whether the pattern stands for one subject only, and that one.
    package var literal: String? {
        var bytes: [UInt8] = []
        for token in tokens {
            guard case .byte(let byte) = token else { return nil }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether the whole subject matches.
    ///
    /// Takes time in proportion to the subject times the pattern at worst: a step keeps the set of all places in the
    /// pattern that the bytes so far can lead to, and never goes back.
    package func matches(_ subject: String) -> Bool {
        tokens.count < 64 ? matchesShort(subject) : matchesLong(subject)
    }

    /// The set of places in one word, so that nothing is allocated.
    private func matchesShort(_ subject: String) -> Bool {
        let tokens = tokens
        var places: UInt64 = 1
        if tokens.first?.isRun == true { places |= 2 }
        for byte in subject.utf8 {
            var next: UInt64 = 0
            while places != 0 {
                let index = places.trailingZeroBitCount
                places &= places - 1
                guard index < tokens.count, takes(tokens[index], byte) else { continue }
                // A run goes on; what is behind it was reached when it was.
                let place = tokens[index].isRun ? index : index + 1
                next |= 1 << UInt64(place)
                // A run may be empty: whoever stands before it stands behind it too.
                if place < tokens.count, tokens[place].isRun { next |= 1 << UInt64(place + 1) }
            }
            if next == 0 { return false }
            places = next
        }
        return places >> UInt64(tokens.count) & 1 == 1
    }

    private func matchesLong(_ subject: String) -> Bool {
        let tokens = tokens
        let blank = [Bool](repeating: false, count: tokens.count + 1)
        var places = blank
        places[0] = true
        if tokens.first?.isRun == true { places[1] = true }
        for byte in subject.utf8 {
            var next = blank
            var isAlive = false
            for (index, token) in tokens.enumerated() where places[index] && takes(token, byte) {
                let place = token.isRun ? index : index + 1
                next[place] = true
                if place < tokens.count, tokens[place].isRun { next[place + 1] = true }
                isAlive = true
            }
            if !isAlive { return false }
            places = next
        }
        return places[tokens.count]
    }

    private static let slash = UInt8(ascii: "/")

    private static func tokens(_ bytes: [UInt8]) -> ([Token], [ByteSet])? {
        var tokens: [Token] = []
        var sets: [ByteSet] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "*"):
                var stars = 0
                while index < bytes.count, bytes[index] == UInt8(ascii: "*") {
                    stars += 1
                    index += 1
                }
                tokens.append(stars == 1 ? .run : .deepRun)
                continue
            case UInt8(ascii: "?"): tokens.append(.one)
            case UInt8(ascii: "["):
                guard let (set, end) = byteSet(bytes, from: index + 1) else { return nil }
                tokens.append(.set(UInt16(sets.count)))
                sets.append(set)
                index = end
            case UInt8(ascii: "\\"):
                index += 1
                guard index < bytes.count else { return nil }
                tokens.append(.byte(bytes[index]))
            default: tokens.append(.byte(bytes[index]))
            }
            index += 1
        }
        return (tokens, sets)
    }

    /// The set after a `[`, and the index of its `]`. A `]` that comes first is a member. glob(7).
    private static func byteSet(_ bytes: [UInt8], from start: Int) -> (ByteSet, Int)? {
        var set = ByteSet()
        var index = start
        let negated =
            index < bytes.count && (bytes[index] == UInt8(ascii: "!") || bytes[index] == UInt8(ascii: "^"))
        if negated { index += 1 }
        var first = true
        while index < bytes.count {
            var low = bytes[index]
            if low == UInt8(ascii: "]"), !first {
                if negated { set.words = ~set.words }
                return (set, index)
            }
            first = false
            if low == UInt8(ascii: "\\") {
                index += 1
                guard index < bytes.count else { return nil }
                low = bytes[index]
            }
            index += 1
            guard index + 1 < bytes.count, bytes[index] == UInt8(ascii: "-"),
                bytes[index + 1] != UInt8(ascii: "]")
            else {
                set.insert(low)
                continue
            }
            let high = bytes[index + 1]
            guard low <= high else { return nil }
            set.insert(low...high)
            index += 2
        }
        return nil
    }
}
