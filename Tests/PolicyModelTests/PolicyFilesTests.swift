import FoundationEssentials
import Testing

@testable import PolicyModel

/// Files as a whole: what cannot be read, and what no policy is.
@Suite struct PolicyFilesTests {
    @Test func `a directory stands for its policies in name order, and every missing file is told`() throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "policies-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let empty = #expect(throws: PolicyError.self) { try PolicyLoader().load(paths: [directory.path]) }
        #expect(
            empty?.diagnostics.map(\.message) == [
                "the directory holds no *.yaml or *.yml; name a file, or put a policy there"
            ])
        for name in ["b.yml", "a.yaml", ".hidden.yaml", "c.txt"] {
            let text = leastPolicy.replacing(
                "name: x", with: "name: \(name.prefix(1) == "." ? "h" : name.prefix(1))")
            try Data(text.utf8).write(to: directory.appending(path: name))
        }
        #expect(try PolicyLoader().load(paths: [directory.path]).map(\.name) == ["a", "b"])
        let missing = #expect(throws: PolicyError.self) {
            try PolicyLoader().load(paths: ["/nowhere/a.yaml", directory.path + "/a.yaml", "/nowhere/b.yaml"])
        }
        #expect(
            missing?.render() == """
                /nowhere/a.yaml: error: the file cannot be read: No such file or directory
                /nowhere/b.yaml: error: the file cannot be read: No such file or directory
                2 errors
                """)
    }

    @Test func `a file larger than any policy is refused unread`() {
        #expect(
            faults(String(repeating: "#", count: PolicyLoader.maximumFileSize + 1))
                == "p.yaml: error: the file is larger than 1MiB, which no policy is; split it\n1 error")
    }

    @Test func `the first byte that is not UTF-8 is pointed at`() {
        let file = PolicyFile(name: "l.yaml", bytes: Array("version: 1\nname: caf".utf8) + [0xe9, 10])
        let error = #expect(throws: PolicyError.self) { try PolicyLoader().load([file]) }
        #expect(error?.diagnostics.first?.mark == SourceMark(file: "l.yaml", line: 2, column: 10))
    }

    @Test func `aliases that multiply are refused, and soon`() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...40 {
            let alias = "*a\(level - 1)"
            text += "a\(level): &a\(level) [\(Array(repeating: alias, count: 9).joined(separator: ", "))]\n"
        }
        let time = ContinuousClock().measure {
            #expect(
                faults(text).contains("aliases stand for more than 5000 values here; write the values out"))
        }
        #expect(time < .seconds(5))
    }

    @Test func `a long line is cut around the fault, and colours are for terminals`() throws {
        let line = "description: \(String(repeating: "x", count: 300)): y"
        let error = #expect(throws: PolicyError.self) { try load(leastPolicy + line + "\n") }
        let diagnostic = try #require(error?.diagnostics.first)
        let excerpt: [Substring] = diagnostic.render().split(separator: "\n" as Character).suffix(2)
        #expect(excerpt.count == 2 && excerpt.allSatisfy { $0.count <= 130 })
        #expect(!diagnostic.render().contains("\u{1B}"))
        #expect(diagnostic.render(colour: true).contains("\u{1B}[1;31merror: \u{1B}[0m"))
    }
}
