import Testing

@testable import crplan

@Suite struct CRIUSpellingTests {
    private func words(_ line: String) -> String {
        CRIUSpelling.words(line.split(separator: " ").map(String.init)).joined(separator: " ")
    }

    @Test func `values may follow short options without a blank`() {
        #expect(words("dump -t12 -D/tmp/x -olog -W /w") == "dump -t 12 -D /tmp/x -o log -W /w")
    }

    @Test func `each v is one step above the default, and a number stays`() {
        #expect(words("restore -v -D x") == "restore --verbosity 3 -D x")
        #expect(words("restore -vv") == "restore --verbosity 4")
        #expect(words("restore -vvvv") == "restore --verbosity 4")
        #expect(words("dump -v0 -R") == "dump -v0 -R")
    }

    @Test func `values are left as they are, and so is all behind two dashes`() {
        #expect(words("dump -o -vv -D -t") == "dump -o -vv -D -t")
        #expect(words("dump -- -vv") == "dump -- -vv")
    }

    @Test func `other commands have their own options`() {
        #expect(words("list -vv -ox") == "list -vv -ox")
    }
}
