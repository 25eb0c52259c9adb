import Foundation
import TestSupport
import Testing

@testable import crplan

/// What scripts and monitors see of crplan: exit codes, and which stream says what.
@Suite struct ExitCodeTests {
    private static let missingStore = "/tmp/crplan-no-such-store"

    private func crplan(_ words: String...) throws -> Command {
        try Command.run([BuiltPrograms.crplan] + words)
    }

    private func policy(_ text: String) throws -> URL {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).yaml")
        try Data(text.utf8).write(to: file)
        return file
    }

    @Test(arguments: [
        ["no-such-command"], ["list", "--no-such-option"], ["verify", "--store"], ["dump", "-D", "/tmp"],
        ["validate"],
    ])
    func `a wrong command line is 64`(words: [String]) throws {
        let result = try Command.run([BuiltPrograms.crplan] + words)
        #expect(result.ending == .exit(64))
        #expect(result.output.contains("Usage: crplan"))
    }

    @Test func `a policy with faults is 78, with all of them and their places`() throws {
        let file = try policy("version: 1\nname: X\nselct: []\n")
        defer { try? FileManager.default.removeItem(at: file) }
        let result = try crplan("validate", file.path)
        #expect(result.ending == .exit(78))
        #expect(result.output.contains("\(file.path):2:7: error: "))
        #expect(result.output.contains("\(file.path):3:1: error: "))
        #expect(result.output.contains("did you mean 'select'?"))
    }

    @Test func `a valid policy is 0 and tells what blocks a plan`() throws {
        let file = try policy(
            "version: 1\nname: one\nselect:\n  - comm: solver\ndump:\n  compress: zstd\n")
        defer { try? FileManager.default.removeItem(at: file) }
        let result = try crplan("validate", file.path)
        #expect(result.ending == .exit(0))
        #expect(result.output.contains("policy one is valid"))
        #expect(result.output.contains("dump.compress has no effect in this build and blocks a plan"))
    }

    @Test func `a store that was never written to is empty, which is no error`() throws {
        #expect(try crplan("list", "--store", Self.missingStore).ending == .exit(0))
        #expect(try crplan("verify", "--store", Self.missingStore).ending == .exit(0))
    }

    @Test func `a checkpoint that is not there is 1`() throws {
        let result = try crplan("show", "nightly/solver/latest", "--store", Self.missingStore)
        #expect(result.ending == .exit(1))
        #expect(result.output.contains("no checkpoint in \(Self.missingStore) is named so"))
    }

    @Test func `sizes and pauses read well at their borders`() {
        #expect(Size.text(0) == "0 B")
        #expect(Size.text(1023) == "1023 B")
        #expect(Size.text(1024) == "1 KiB")
        #expect(Size.text(6_657_199_309) == "6.2 GiB")
        #expect(Size.text((1 << 20) - 1) == "1 MiB")
        #expect(Pause.text(microseconds: 999) == "999 us")
        #expect(Pause.text(microseconds: 12_400) == "12.4 ms")
        #expect(Pause.text(microseconds: 3_100_000) == "3.1 s")
    }

    @Test func `lines wrap at the width and long words stay whole`() {
        let terminal = Terminal(usesColour: false, width: 30)
        #expect(
            terminal.wrap("one two three four five six seven eight", indent: 4)
                == "one two three four five\n    six seven eight")
        #expect(terminal.wrap("a " + String(repeating: "x", count: 40), indent: 2).contains("\n  xxx"))
    }
}
