@testable import CREngine
import Testing

/// The interpreter of filters, which only tells what a crash of ours could do.
struct SeccompProgramTests {
    /// Code, jump if true, jump if false, constant.
    private func program(_ rows: [(UInt16, UInt8, UInt8, UInt32)]) -> SeccompProgram {
        SeccompProgram(
            bytes: rows.flatMap { row in
                [UInt8(row.0 & 0xff), UInt8(row.0 >> 8), row.1, row.2]
                    + (0..<4).map { UInt8(truncatingIfNeeded: row.3 >> (8 * UInt32($0))) }
            })
    }

    @Test func `a call is judged by its number, its architecture and its arguments`() {
        let filter = program([
            (0x20, 0, 0, 4), (0x15, 1, 0, 0xc000_003e), (0x06, 0, 0, 0),
            (0x20, 0, 0, 0), (0x15, 0, 1, 39), (0x06, 0, 0, 0x0005_0001),
            (0x15, 0, 3, 157), (0x20, 0, 0, 16), (0x45, 0, 1, 0x10), (0x06, 0, 0, 0x8000_0000),
            (0x06, 0, 0, 0x7fff_0000),
        ])
        #expect(filter.answer(39, []) == .other(0x0005_0001))
        #expect(filter.answer(157, [0x11]) == .kill)
        #expect(filter.answer(157, [0x21]) == .allow)
        #expect(filter.answer(0, []) == .allow)
        #expect(!filter.asksListener)
    }

    @Test func `memory, arithmetic and registers are those of classic BPF`() {
        let filter = program([
            (0x20, 0, 0, 0), (0x04, 0, 0, 2), (0x24, 0, 0, 3), (0x02, 0, 0, 5), (0x61, 0, 0, 5),
            (0x00, 0, 0, 0x7fff_0000 - 15), (0x0c, 0, 0, 0), (0x16, 0, 0, 0),
        ])
        #expect(filter.answer(3, []) == .allow)
        #expect(filter.answer(70000, []) != .allow)
        #expect(filter.asksListener)
    }

    @Test func `what is no program has no answer`() {
        #expect(program([(0x20, 0, 0, 64), (0x06, 0, 0, 0)]).answer(0, []) == nil)
        #expect(program([(0x05, 0, 0, 9)]).answer(0, []) == nil)
        #expect(SeccompProgram(bytes: []).answer(0, []) == nil)
    }

    @Test func `a filter that kills for what a dump asks is told, and one that refuses is not`() {
        func filter(_ answer: UInt32) -> SeccompReader.Filter {
            .init(
                program: program([
                    (0x20, 0, 0, 0), (0x15, 0, 1, 36), (0x06, 0, 0, answer), (0x06, 0, 0, 0x7fff_0000),
                ]).bytes, flags: 0)
        }
        #expect(SeccompHazard.fatalCalls([filter(0x8000_0000)], isStrict: false) == ["getitimer"])
        #expect(SeccompHazard.fatalCalls([filter(0x0005_0001)], isStrict: false) == [])
        #expect(SeccompHazard.fatalCalls([], isStrict: true).contains("rt_sigprocmask"))
    }
}
