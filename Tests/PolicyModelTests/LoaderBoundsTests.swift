import Testing

@testable import PolicyModel

/// No file costs the loader more than a little.
@Suite struct LoaderBoundsTests {
    private func error(_ text: String) throws -> PolicyError {
        try #require(throws: PolicyError.self) { try load(text) }
    }

    @Test func `a file of nothing but lines is read, and a fault on the last one is at its place`() throws {
        let lines = 900_000
        let error = try error(String(repeating: "\n", count: lines) + "a: 'b\n")
        #expect(error.diagnostics.first?.mark?.line == lines + 1)
    }

    @Test func `a file with more values than any policy has is refused`() {
        let list = String(repeating: "- a\n", count: YAMLComposer.maximumNodes + 1)
        #expect(faults(list).contains("more than 10000 values"))
    }

    @Test func `regular expressions, which take long to compile, are few in a file or refused`() {
        let pattern = String(repeating: "(a|b)*", count: 160)
        let count = RegexPattern.maximumBytesOfFile / pattern.utf8.count
        let entries = { (count: Int) in String(repeating: "- {cmdline: '\(pattern)'}\n", count: count) }
        let head = "version: 1\nname: x\nselect:\n"
        #expect(faults(head + entries(count)) == "")
        #expect(
            faults(head + entries(count + 1)).contains(
                "'select[\(count)].cmdline' is more than the 32KiB of regular expressions that a file may hold"
            ))
        // Those of all documents count together.
        let second = head.replacing("name: x", with: "name: y")
        #expect(!faults(head + entries(count) + "---\n" + second + entries(1)).isEmpty)
    }

    @Test func `a line longer than any policy's is refused`() {
        let line = "description: " + String(repeating: "x", count: YAMLComposer.maximumLineLength)
        #expect(
            faults(leastPolicy + line)
                == "p.yaml: error: line 4 is longer than 64KiB, which no policy needs; break it into several\n1 error"
        )
    }

    @Test func `directives, of which many take libyaml long, are few or refused`() {
        let directives = (0..<17).map { "%TAG !t\($0)! x\n" }.joined()
        #expect(faults(directives + "---\n" + leastPolicy).contains("more than 16 lines begin with '%'"))
        #expect(faults("%YAML 1.1\n---\n" + leastPolicy) == "")
    }

    @Test func `of a great many faults the first hundred are told, and how many there are besides`() throws {
        let keys = (0..<4000).map { "k\($0): 1\n" }.joined()
        let error = try error(leastPolicy + keys)
        #expect(error.diagnostics.count == 100 && error.untold == 3900)
        #expect(error.render().hasSuffix("\n100 errors, and 3900 more that are not told; mend these first"))
    }

    @Test func `a message about a very long name is short`() throws {
        let error = try error(leastPolicy + String(repeating: "n", count: 60_000) + ": 1\n")
        #expect((error.diagnostics.first?.message.count ?? .max) <= 1000)
    }

    @Test func `a glob is as long as a path at most`() {
        let glob = "/" + String(repeating: "a", count: Glob.maximumLength)
        #expect(
            faults("version: 1\nname: x\nselect: [{exe: \(glob)}]\n").contains(
                "'select[0].exe' is a glob of at most 4096 bytes, as paths are"))
        #expect(Glob(glob) == nil)
    }

    @Test func `an alias bomb and a nest of aliases end with a message`() {
        var text = "version: 1\nname: x\nselect:\n- &a0 {comm: x}\n"
        for level in 1...70 { text += "- &a\(level) [*a\(level - 1)]\n" }
        #expect(faults(text).contains("values nest deeper than 64 levels"))
    }
}
