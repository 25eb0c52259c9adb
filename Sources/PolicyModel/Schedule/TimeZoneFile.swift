/// Reads a file of the time zone database. See tzfile(5) and RFC 9636.
package enum TimeZoneFile {
    /// Why a file tells no time zone.
    package enum Fault: Error, Sendable, Equatable, CustomStringConvertible {
        case notAZone
        case truncated
        /// A zone below `right/`: its seconds are not those of time(2).
        case countsLeapSeconds
        case brokenFooter(String)

        package var description: String {
            switch self {
            case .notAZone: "is no file of the time zone database"
            case .truncated: "ends too early for a file of the time zone database"
            case .countsLeapSeconds: "counts leap seconds, which the system clock does not"
            case .brokenFooter(let text): "ends with \"\(text)\", which is no rule for the years to come"
            }
        }
    }

    /// The zone that a file tells; `name` is what it is to be called.
    package static func read(_ bytes: [UInt8], name: String) throws(Fault) -> TimeZoneRules {
        var cursor = Cursor(bytes: bytes)
        var header = try Header(&cursor)
        var width = 4
        if header.version >= UInt8(ascii: "2") {
            // The same follows with eight bytes for each time.
            try cursor.skip(header.size(width: 4))
            header = try Header(&cursor)
            width = 8
        }
        guard header.leaps == 0 else { throw .countsLeapSeconds }
        guard header.types > 0 else { throw .notAZone }
        var times: [Int64] = []
        for _ in 0..<header.times { times.append(try cursor.integer(width)) }
        var kinds: [Int] = []
        for _ in 0..<header.times { kinds.append(Int(UInt8(truncatingIfNeeded: try cursor.integer(1)))) }
        var offsets: [Int64] = []
        for _ in 0..<header.types {
            offsets.append(try cursor.integer(4))
            try cursor.skip(2)
        }
        guard kinds.allSatisfy({ $0 < offsets.count }), zip(times, times.dropFirst()).allSatisfy(<),
            offsets.allSatisfy({ abs($0) < 26 * 3600 })
        else { throw .notAZone }
        try cursor.skip(header.characters + header.standards + header.universals)
        var table: [TimeZoneRules.Transition] = []
        var before = offsets[0]
        for (time, kind) in zip(times, kinds) {
            table.append(.init(time: UnixTime(time), before: before, after: offsets[kind]))
            before = offsets[kind]
        }
        let rest = width == 8 ? try footer(cursor.rest) : nil
        return TimeZoneRules(name: name, first: offsets[0], table: table, rest: rest)
    }

    /// Between two newlines; empty when nothing is known of the years to come.
    private static func footer(_ bytes: ArraySlice<UInt8>) throws(Fault) -> TimeZoneFooter? {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count >= 3, lines[0].isEmpty else { throw .truncated }
        if lines[1].isEmpty { return nil }
        let text = String(decoding: lines[1], as: UTF8.self)
        guard let rule = TimeZoneFooter(parsing: text) else { throw .brokenFooter(text) }
        return rule
    }

    private struct Header {
        var version: UInt8
        var universals: Int
        var standards: Int
        var leaps: Int
        var times: Int
        var types: Int
        var characters: Int

        init(_ cursor: inout Cursor) throws(Fault) {
            guard cursor.rest.starts(with: "TZif".utf8) else { throw .notAZone }
            try cursor.skip(4)
            version = UInt8(truncatingIfNeeded: try cursor.integer(1))
            try cursor.skip(15)
            universals = try cursor.count()
            standards = try cursor.count()
            leaps = try cursor.count()
            times = try cursor.count()
            types = try cursor.count()
            characters = try cursor.count()
        }

        /// Bytes of the data behind it.
        func size(width: Int) -> Int {
            times * (width + 1) + types * 6 + characters + leaps * (width + 4) + standards + universals
        }
    }

    /// Numbers from the front, most significant byte first.
    private struct Cursor {
        var rest: ArraySlice<UInt8>

        init(bytes: [UInt8]) { rest = bytes[...] }

        mutating func skip(_ count: Int) throws(Fault) {
            guard count <= rest.count else { throw .truncated }
            rest = rest.dropFirst(count)
        }

        mutating func integer(_ width: Int) throws(Fault) -> Int64 {
            guard rest.count >= width else { throw .truncated }
            let value = rest.prefix(width).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            rest = rest.dropFirst(width)
            let unused = UInt64(64 - 8 * width)
            return Int64(bitPattern: value << unused) >> Int64(unused)
        }

        mutating func count() throws(Fault) -> Int {
            let value = try integer(4)
            guard (0...Int64(rest.count)).contains(value) else { throw .truncated }
            return Int(value)
        }
    }
}
