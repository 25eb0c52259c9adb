import CREngine
import FoundationEssentials
import Glibc

/// A report as people read it.
struct ReportText {
    let terminal: Terminal

    /// Everything, without a newline at the end.
    func render(_ report: Report) -> String {
        report.runs.map { render($0, of: report) }.joined(separator: "\n\n")
    }

    private func render(_ run: PolicyRun, of report: Report) -> String {
        var lines: [String] = []
        let name = terminal.paint("crplan \(report.command.rawValue)", .bold)
        var head = ["policy \(run.policy)"]
        if let plan = run.plan {
            head += ["host \(plan.host.name)", LocalTime.text(plan.created.timeIntervalSince1970)]
        }
        let label = report.command.rawValue.count + 10
        let isWide = label + head.joined(separator: "   ").count <= terminal.width
        let gap = "\n" + String(repeating: " ", count: label)
        lines.append(name + "   " + head.joined(separator: isWide ? "   " : gap))
        if let plan = run.plan {
            let trees = Counted.text(plan.targets.count, "tree matches", "trees match")
            let examined = Counted.text(plan.examined, "process", "processes")
            lines.append("\(trees), \(examined) looked at in \(run.milliseconds) ms")
        }
        lines += run.notes.map { terminal.paint("note: \($0)", .yellow) }
        if let plan = run.plan {
            let whole = findings(plan.findings)
            if !whole.isEmpty { lines += ["", terminal.paint("the policy as a whole", .bold)] + whole }
            if !plan.targets.isEmpty { lines.append("") }
            var wasLong = false
            for target in plan.targets {
                let block = render(target, in: run, isBlocked: plan.isBlocked)
                // Trees that there is much to say of are set apart.
                if wasLong { lines.append("") }
                wasLong = block.count > 1
                lines += block
            }
        }
        for line in run.drift {
            lines.append(
                terminal.paint("differs from the plan: ", .red) + terminal.wrap(line, indent: 4, first: 23))
        }
        if let pruned = run.pruned { lines += [""] + PruneText(terminal: terminal).lines(pruned) }
        if let error = run.error {
            let label = run.isLocked ? "not begun: " : "failed: "
            lines.append(terminal.paint(label, .red) + terminal.wrap(error, indent: 4, first: label.count))
        }
        if run.plan != nil { lines += ["", summary(run, report.command)] }
        return lines.joined(separator: "\n")
    }

    private func render(_ target: PlannedTarget, in run: PolicyRun, isBlocked: Bool) -> [String] {
        let result = run.results.first { $0.target == target.name }?.reply
        let size = [
            Counted.text(target.processes, "process", "processes"),
            Counted.text(target.threads, "thread", "threads"), "\(Size.text(target.resident)) resident",
        ].joined(separator: ", ")
        let mark: String
        switch result?.outcome {
        case .dumped: mark = terminal.paint("✔", .green)
        case .some(.blocked), .some(.drifted), .some(.failed), .some(.unsafe):
            mark = terminal.paint("✘", .red)
        case .some(.skipped): mark = terminal.paint("-", .yellow)
        case .none:
            mark = target.isBlocked || isBlocked ? terminal.paint("✘", .red) : terminal.paint("+", .green)
        }
        let label = "\(target.comm)[\(target.pid)]"
        let gap = String(repeating: " ", count: max(2, 18 - label.count))
        let row = terminal.wrapRow(
            "\(size)    \(target.name)" + (target.group.map { "    with \($0)" } ?? ""),
            indent: 2 + label.count + gap.count)
        var lines = ["\(mark) \(terminal.paint(label, .bold))\(gap)\(row)"]
        lines += findings(target.findings)
        if let result { lines += outcome(result, planned: target.findings) }
        return lines
    }

    private func outcome(_ reply: DumpReply, planned: [Finding]) -> [String] {
        var lines = findings(reply.findings.filter { !planned.contains($0) })
        if let record = reply.checkpoint {
            lines.append("    \(record.id)")
            let pause = Pause.text(microseconds: record.times.freezing + record.times.frozen)
            lines.append(
                "    \(Size.text(record.bytes)), paused for \(pause)"
                    + (record.isConfirmed ? ", read back and found good" : ", not read back"))
        }
        if let attempts = reply.attempts, reply.outcome == .dumped {
            lines.append("    done at try \(attempts)")
        }
        if let error = reply.error {
            let label = reply.outcome.rawValue
            lines.append(
                "    " + terminal.paint(label, .red) + ": "
                    + terminal.wrap(error, indent: 8, first: 6 + label.count))
        }
        lines += reply.warnings.map {
            "    " + terminal.paint("warning", .yellow) + ": " + terminal.wrap($0, indent: 8, first: 13)
        }
        return lines
    }

    /// Of more findings of one code than this only the first ones are told; `--format json` has all.
    private static let mostAlike = 12

    /// What blocks comes first. The reason of a code is told once a list, and each remedy once.
    private func findings(_ unordered: [Finding]) -> [String] {
        let findings = Finding.Severity.allCases.flatMap { severity in
            unordered.filter { $0.severity == severity }
        }
        var lines: [String] = []
        var told: Set<FindingCode> = []
        var alike: [FindingCode: Int] = [:]
        for finding in findings { alike[finding.code, default: 0] += 1 }
        var shown: [FindingCode: Int] = [:]
        for (place, finding) in findings.enumerated() {
            let word = finding.severity.rawValue
            let label = word + String(repeating: " ", count: 9 - word.count)
            let style: Terminal.Style =
                switch finding.severity {
                case .block: .red
                case .warn: .yellow
                case .allowed: .green
                case .info: .faint
                }
            let row = [finding.what, finding.object.place].compactMap { $0 }.joined(separator: "    ")
            let start = "    \(terminal.paint(label, style))\(terminal.paint(finding.code.rawValue, .bold)) "
            let (count, number) = (alike[finding.code] ?? 0, (shown[finding.code] ?? 0) + 1)
            shown[finding.code] = number
            let isCrowd = count > Self.mostAlike
            if !isCrowd || number < Self.mostAlike {
                lines.append(start + terminal.wrapRow(row, indent: 20))
            } else if number == count {
                let more = "and \(count - Self.mostAlike + 1) more like these; --format json tells all"
                lines.append(start + terminal.wrap(more, indent: 20))
            }
            // Of several of one code the last says why, so that the rows stay together.
            let isLast = !findings[(place + 1)...].contains { $0.code == finding.code }
            let follows = place + 1 < findings.count && findings[place + 1].code == finding.code
            guard isLast || !follows, finding.severity != .info, told.insert(finding.code).inserted else {
                continue
            }
            let indent = String(repeating: " ", count: 13)
            lines.append(indent + terminal.wrap(finding.why, indent: 13))
            // Each object may need a rule of its own.
            var remedies: Set<String> = []
            for same in findings where same.code == finding.code && same.severity == .block {
                if let remedy = same.remedy, remedies.count < Self.mostAlike, remedies.insert(remedy).inserted
                {
                    lines.append(indent + terminal.paint(remedy, .bold))
                }
            }
        }
        return lines
    }

    private func summary(_ run: PolicyRun, _ command: Report.Command) -> String {
        guard let plan = run.plan else { return "" }
        let ready = plan.ready.count
        let blockers = Counted.text(plan.blockerCount, "blocking finding", "blocking findings")
        let warnings = Counted.text(plan.warningCount, "warning", "warnings")
        let counts = "\(ready) ready, \(plan.targets.count - ready) blocked. \(blockers), \(warnings)."
        guard command == .apply, !run.results.isEmpty else {
            return terminal.wrap(
                "Plan: \(counts) Nothing was stopped to make this report.", indent: 6)
        }
        func count(_ outcome: DumpReply.Outcome) -> Int {
            run.results.count { $0.reply.outcome == outcome }
        }
        let outcomes: [(DumpReply.Outcome, String)] = [
            (.dumped, "dumped"), (.blocked, "blocked when frozen"), (.drifted, "not as planned when frozen"),
            (.failed, "failed"),
            (.skipped, "skipped"),
            (.unsafe, "in an unsafe state"),
        ]
        let done = outcomes.filter { count($0.0) > 0 }.map { "\(count($0.0)) \($0.1)" }
        return terminal.wrap("Result: \(done.joined(separator: ", ")) of \(counts)", indent: 8)
    }
}

/// A moment in the host's time zone.
enum LocalTime {
    /// `2026-11-23 08:17:00 +0100 (CET)`
    static func text(_ secondsSince1970: Double) -> String {
        text(secondsSince1970, "%Y-%m-%d %H:%M:%S %z (%Z)")
    }

    /// `2026-11-23 08:17:00`
    static func shortText(_ secondsSince1970: Double) -> String {
        text(secondsSince1970, "%Y-%m-%d %H:%M:%S")
    }

    private static func text(_ secondsSince1970: Double, _ format: String) -> String {
        var seconds = time_t(secondsSince1970)
        var parts = tm()
        localtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, format, &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
