import CREngine
import Glibc
import Testing

/// Open files that look alike, told apart by kcmp(2), with and without an earlier look.
struct KcmpClassesTests {
    /// Numbers of this process: the same file opened many times, every third one twice.
    private static func makeFiles() -> [Int32] {
        var numbers: [Int32] = []
        for place in 0..<90 {
            let number = open("/dev/null", O_RDONLY | O_CLOEXEC)
            numbers.append(number)
            if place % 3 == 0 { numbers.append(fcntl(number, F_DUPFD_CLOEXEC, 0)) }
        }
        return numbers
    }

    /// For each number the first one with the same open file, by asking for every pair.
    private static func expected(_ numbers: [Int32]) throws -> [Int32] {
        let own = PID(getpid())
        return try numbers.map { number in
            try numbers.first { try Kcmp.compare(.file, own, own, number, $0) == .same } ?? number
        }
    }

    private static func classes(
        _ numbers: [Int32], rank: (Int32) -> Int?
    ) throws -> (found: [Int32], ordered: [Int32]) {
        var classes = KcmpClasses<Int32>(.file)
        let own = PID(getpid())
        let found = try numbers.map { number in
            try classes.value(own, number, rank: rank(number)) { number }
        }
        return (found, classes.ordered)
    }

    @Test func `what an earlier look says of the order changes no answer`() throws {
        let numbers = Self.makeFiles()
        defer { for number in numbers { close(number) } }
        let expected = try Self.expected(numbers)

        let first = try Self.classes(numbers) { _ in nil }
        #expect(first.found == expected)
        #expect(Set(first.ordered) == Set(expected))

        var ranks: [Int32: Int] = [:]
        for (rank, value) in first.ordered.enumerated() {
            for (number, known) in zip(numbers, first.found) where known == value { ranks[number] = rank }
        }
        let last = first.ordered.count - 1
        // True, backwards, of half of them, all the same, and of each file that of another.
        let hints: [(Int32) -> Int?] = [
            { ranks[$0] }, { ranks[$0].map { last - $0 } }, { $0 % 2 == 0 ? ranks[$0] : nil }, { _ in 7 },
            { ranks[$0].map { ($0 * 31) % (last + 1) } },
        ]
        for hint in hints {
            let again = try Self.classes(numbers, rank: hint)
            #expect(again.found == expected)
            #expect(again.ordered == first.ordered)
        }
    }
}
