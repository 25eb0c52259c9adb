/// A shell-like pattern on a path or a name, by bytes.
///
/// `*` stands for any run without `/`, `**` for any run, `?` for one byte other than `/`, `[a-z]` and `[!a-z]` for one
/// byte other than `/` out of a set; a backslash takes the next character as itself. The whole subject must match.
package struct Glob: Sendable, Equatable, Codable, CustomStringConvertible {
    package let text: String
    private let tokens: [Token]

    private enum Token: Sendable, Equatable {
        case byte(UInt8)
        /// Any one byte but `/`.
        case one
        case set(ByteSet)
        /// A run without `/`.
        case run
        /// A run of anything.
        case deepRun
    }

    /// 256 bits.
    private struct ByteSet: Sendable, Equatable {
        var words: SIMD4<UInt64> = .zero

        mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
        func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] >> UInt64(byte & 63) & 1 == 1 }
    }

    /// Nil where the pattern is broken: a `[` without `]`, a reversed range, or a backslash at the end.
    package init?(_ text: String) {
        guard let tokens = Glob.tokens(Array(text.utf8)) else { return nil }
        self.text = text
        self.tokens = tokens
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
        var places = [Bool](repeating: false, count: tokens.count + 1)
        places[0] = true
        skipRuns(&places)
        for byte in subject.utf8 {
            var next = [Bool](repeating: false, count: tokens.count + 1)
            var alive = false
            for (index, token) in tokens.enumerated() where places[index] {
                switch token {
                case .byte(let wanted): if byte == wanted { next[index + 1] = true; alive = true }
                case .one: if byte != Glob.slash { next[index + 1] = true; alive = true }
                case .set(let set):
                    if byte != Glob.slash, set.contains(byte) { next[index + 1] = true; alive = true }
                case .run: if byte != Glob.slash { next[index] = true; alive = true }
                case .deepRun: next[index] = true; alive = true
                }
            }
            guard alive else { return false }
            skipRuns(&next)
            places = next
        }
        return places[tokens.count]
    }

    private static let slash = UInt8(ascii: "/")

    /// A run may be empty: whoever stands before it stands behind it too.
    private func skipRuns(_ places: inout [Bool]) {
        for (index, token) in tokens.enumerated() where places[index] {
            if token == .run || token == .deepRun { places[index + 1] = true }
        }
    }

    private static func tokens(_ bytes: [UInt8]) -> [Token]? {
        var tokens: [Token] = []
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
                tokens.append(.set(set))
                index = end
            case UInt8(ascii: "\\"):
                index += 1
                guard index < bytes.count else { return nil }
                tokens.append(.byte(bytes[index]))
            default: tokens.append(.byte(bytes[index]))
            }
            index += 1
        }
        return tokens
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
            for byte in low...high { set.insert(byte) }
            index += 2
        }
        return nil
    }
}
