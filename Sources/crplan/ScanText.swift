import CREngine

/// A scan for people.
struct ScanText {
    let terminal: Terminal

    /// Everything, without a newline at the end.
    func render(_ scan: TreeScan) -> String {
        let size = [
            Counted.text(scan.processes, "process", "processes"),
            Counted.text(scan.threads, "thread", "threads"), "\(Size.text(scan.resident)) resident",
        ].joined(separator: ", ")
        let head = terminal.paint("crplan scan", .bold) + "   \(scan.comm)[\(scan.pid)]   \(size)"
        var lines = [head]
        lines += section("leads out of the tree", scan.leaving)
        lines += section("stays in the tree, and is special", scan.inside)
        let sum =
            (scan.leaving.isEmpty
                ? "Nothing leads out of the tree. "
                : "\(Counted.text(scan.leaving.count, "thing leads", "things lead")) out of the tree. ")
            + "`crplan explain CODE` tells more. Nothing was stopped to look."
        return (lines + ["", terminal.wrap(sum, indent: 0)]).joined(separator: "\n")
    }

    private func section(_ title: String, _ items: [TreeScan.Item]) -> [String] {
        if items.isEmpty { return [] }
        var lines = ["", terminal.paint(title, .bold)]
        for item in items {
            let row = [item.what, item.object.place].compactMap { $0 }.joined(separator: "    ")
            lines.append("  \(terminal.paint(item.code.rawValue, .bold)) " + terminal.wrapRow(row, indent: 9))
        }
        return lines
    }
}
