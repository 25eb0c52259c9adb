/// The checkpoints of a store for people.
struct ListText {
    let terminal: Terminal

    /// A line a checkpoint; where that is too wide, the names alone below a line a target. No newline at the end.
    func render(_ rows: [ListCommand.Row]) -> String {
        let width = rows.map(\.id.count).max() ?? 0
        // Size, processes, marks.
        let others = 2 + 9 + 2 + 14 + 16
        if width + others <= terminal.width {
            return rows.map { line($0, name: $0.id, width: width) }.joined(separator: "\n")
        }
        var lines: [String] = []
        var target: Substring?
        for row in rows {
            let parts = row.id.split(separator: "/")
            let place = row.id.dropLast((parts.last?.count ?? 0) + 1)
            if place != target { lines.append(terminal.paint(String(place), .bold)) }
            target = place
            let name = String(parts.last ?? "")
            lines.append("  " + line(row, name: name, width: name.count))
        }
        return lines.joined(separator: "\n")
    }

    private func line(_ row: ListCommand.Row, name: String, width: Int) -> String {
        let start = name + String(repeating: " ", count: max(0, width - name.count)) + "  "
        if let error = row.error { return start + terminal.paint(error, .red) }
        let size = Size.text(row.bytes ?? 0)
        let gap = String(repeating: " ", count: max(0, 9 - size.count))
        let count = Counted.text(row.processes ?? 0, "process", "processes")
        let latest = row.isLatest ? "  \(terminal.paint("latest", .green))" : ""
        let pin = row.isPinned ? "  \(terminal.paint("pinned", .yellow))" : ""
        let lock = row.locked.map { count in
            "  " + terminal.paint("\(Counted.text(count, "connection", "connections")) locked", .yellow)
        }
        return start + gap + size + "  " + count + latest + pin + (lock ?? "")
    }
}
