@testable import CREngine
import Glibc
import Testing

/// What of two processors is compared, and how that is asked for.
struct ProcessorImageTests {
    @Test func `words are CRIU's`() {
        #expect(ProcessorCheck(words: "all") == [.floatingPoint, .all, .instructions])
        #expect(ProcessorCheck(words: "fpu,ins") == [.floatingPoint, .instructions])
        #expect(ProcessorCheck(words: "all,^cpu") == [.floatingPoint, .instructions])
        #expect(ProcessorCheck(words: "none") == [])
        #expect(ProcessorCheck(words: "fpu,^none") == [.floatingPoint, .all, .instructions])
        #expect(ProcessorCheck(words: "sse") == nil && ProcessorCheck(words: "") == nil)
    }

    @Test func `a processor takes its own trees and those of a lesser one`() {
        let own = ProcessorImage.ofThisMachine()
        #expect(own.words.count == 19 && own.words[0] & 1 == 1)
        #expect(own.problems(on: own, [.floatingPoint, .all, .instructions]) == [])
        // Word 4, bit 28 is AVX; word 9, bit 16 AVX-512; of the hypervisor's bit no program knows.
        var less = own
        less.words[4] &= ~(1 << 28)
        var more = own
        more.words[4] |= 1 << 28
        #expect(less.problems(on: more, [.floatingPoint, .instructions]) == [])
        #expect(more.problems(on: less, .instructions).count == 1)
        #expect(less.problems(on: more, .all).count == 1)
        var guest = own
        guest.words[4] ^= 1 << 31
        #expect(guest.problems(on: own, .instructions) == [] && own.problems(on: guest, .instructions) == [])
        var wide = own
        wide.components |= 1 << 40
        wide.largestSize += 64
        #expect(wide.problems(on: own, .floatingPoint).count == 2)
    }
}
