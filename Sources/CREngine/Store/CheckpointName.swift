package import FoundationEssentials

/// The name of a checkpoint's directory: the moment in UTC and four hexadecimal digits, `2026-11-23T07:17:00Z-a41b`.
package struct CheckpointName: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package let text: String

    /// Nil unless the text has the form.
    package init?(_ text: String) {
        let shape = "dddd-dd-ddTdd:dd:ddZ-hhhh"
        guard text.utf8.count == shape.utf8.count else { return nil }
        for (byte, wanted) in zip(text.utf8, shape.utf8) {
            let isDigit = (48...57).contains(byte)
            switch wanted {
            case UInt8(ascii: "d"): if !isDigit { return nil }
            case UInt8(ascii: "h"): if !isDigit && !(97...102).contains(byte) { return nil }
            default: if byte != wanted { return nil }
            }
        }
        self.text = text
    }

    /// A name that no other run of this second has, but for one chance in 65536.
    package init(at date: Date) { self.init(at: date, tail: UInt16.random(in: 0...UInt16.max)) }

    /// A name that sorts after `present` where that is of the same second.
    package init(at date: Date, after present: CheckpointName?) {
        guard let present, present.text.hasPrefix(CheckpointName.second(date)),
            let tail = UInt16(present.text.suffix(4), radix: 16)
        else {
            self.init(at: date)
            return
        }
        if tail == UInt16.max {
            self.init(at: date.addingTimeInterval(1))
        } else {
            self.init(at: date, tail: UInt16.random(in: tail + 1...UInt16.max))
        }
    }

    /// `tail` tells checkpoints of one second apart.
    package init(at date: Date, tail: UInt16) {
        let digits = String(tail, radix: 16)
        let padded = String(repeating: "0", count: 4 - digits.count) + digits
        text = CheckpointName.second(date) + "-" + padded
    }

    /// Older ones first; in one second, by the tail.
    package static func < (a: CheckpointName, b: CheckpointName) -> Bool { a.text < b.text }

    package var description: String { text }

    /// The moment in the name.
    package var date: Date? { try? Date(String(text.dropLast(5)), strategy: .iso8601) }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let name = CheckpointName(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is no checkpoint's name")
        }
        self = name
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    private static func second(_ date: Date) -> String {
        Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.down)).formatted(.iso8601)
    }
}
