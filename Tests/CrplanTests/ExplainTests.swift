import CREngine
import Foundation
import TestSupport
import Testing

@testable import crplan

/// The catalogue of findings, and what is made from it.
@Suite struct ExplainTests {
    private let plain = ExplainText(terminal: Terminal(usesColour: false, width: 80))

    @Test(arguments: FindingCode.allCases) func `each code is explained in full`(code: FindingCode) {
        let entry = code.entry
        for text in [entry.why, entry.kernel, entry.restore] {
            #expect(text.count >= 5 && text.hasSuffix("."), "\(code.rawValue): \(text)")
        }
        let lines = plain.render(code).split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("\(code.rawValue)  \(entry.title)  ("))
        for label in ["means", "in the kernel", "allowed by", "at restore", "in CRIU"] {
            #expect(lines.contains { $0.hasPrefix("  \(label)") })
        }
    }

    @Test func `codes and titles are unique, and codes are in order`() {
        let codes = FindingCode.allCases.map(\.rawValue)
        #expect(Set(codes).count == codes.count && codes == codes.sorted())
        #expect(Set(FindingCode.allCases.map(\.entry.title)).count == codes.count)
    }

    @Test func `docs, findings.md is what the program says`() throws {
        let path = BuiltPrograms.sources + "/docs/findings.md"
        #expect(
            text(of: path) == plain.document(),
            "write it again: crplan explain --markdown > docs/findings.md")
    }

    @Test func `one code reads so`() {
        #expect(
            plain.render(.shellJob) == """
                CRP401  session whose leader is outside the tree  (block)
                  means           The session leader stays outside, so the restored tree joins
                                  the session of whoever restores it; a service, or a program
                                  that setsid(1) started, leads a session of its own.
                  in the kernel   Only a process itself can make a session, by setsid(2), with
                                  its own number as the id. A session of another process can
                                  only be inherited.
                  allowed by      `allow: {shell-job: true}`
                  at restore      The tree joins the session and the terminal of whoever
                                  restores it, so the session id changes.
                  in CRIU         shell-job
                """)
    }

    @Test func `a code that is none is refused`() throws {
        let answer = try Command.run([BuiltPrograms.crplan, "explain", "CRP999"])
        #expect(answer.ending == .exit(64))
        #expect(answer.output == "crplan: CRP999: no finding has this code; `crplan explain` lists them\n")
        #expect(try Command.run([BuiltPrograms.crplan, "explain", "crp221"]).ending == .exit(0))
    }
}
