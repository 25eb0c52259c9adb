import Testing

@testable import PolicyModel

@Suite struct RegexPatternTests {
    @Test func `a pattern is searched for anywhere in each subject`() {
        let pattern = RegexPattern("--case=\\S+( |$)")
        #expect(
            pattern.search(["solve --case=a", "solve", "x --case=b -v"]) == [.matched, .notMatched, .matched])
    }

    @Test func `a search that backtracks without end is given up in time`() {
        let hopeless = RegexPattern("(a+)+(a+)+(a+)+b")
        let subject = String(repeating: "a", count: 300)
        var outcomes: [RegexPattern.Outcome] = []
        let time = ContinuousClock().measure {
            outcomes = hopeless.search(["b", subject, "aab"], timeLimit: .milliseconds(50))
        }
        #expect(outcomes == [.notMatched, .timedOut, .timedOut])
        #expect(time < .seconds(10))
    }

    @Test func `a pattern that would exhaust the stack of its parser is refused before`() {
        #expect(RegexPattern(String(repeating: "(", count: 500)).search("a") == .broken)
        #expect(!RegexPattern.isModest(String(repeating: "a", count: 2000)))
    }
}
