import Foundation
import TestSupport

@testable import CREngine

/// What `crplan plan` says of one tree.
struct PlannedFindings {
    /// Whether a run would dump it.
    let isReady: Bool
    let findings: [Finding]
    /// As people read it.
    let text: String

    /// - Parameter policy: the file of a policy that selects the tree.
    /// - Parameter crplan: runs the words as a command line of crplan.
    init(
        of policy: String,
        crplan: ([String]) throws -> Command = { try Command.run([BuiltPrograms.crplan] + $0) }
    ) throws {
        let plan = try crplan(["plan", policy, "-o", policy + ".json"])
        isReady = plan.ending == .exit(0)
        text = plan.output
        let report = try JSONDecoder().decode(
            PlanReport.self, from: Data((TestSupport.text(of: policy + ".json") ?? "").utf8))
        findings = report.runs.flatMap { ($0.plan?.targets ?? []).flatMap(\.findings) }
    }

    /// The first that blocks by this code.
    func blocker(_ code: String) -> Finding? {
        findings.first { $0.severity == .block && $0.code.rawValue == code }
    }

    func has(_ code: String, _ severity: Finding.Severity) -> Bool {
        findings.contains { $0.severity == severity && $0.code.rawValue == code }
    }
}

/// Of the report's JSON what is looked at here.
private struct PlanReport: Decodable {
    struct Run: Decodable { var plan: Plan? }
    struct Plan: Decodable { var targets: [Target] }
    struct Target: Decodable { var findings: [Finding] }
    var runs: [Run]
}
