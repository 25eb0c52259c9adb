/// One line of /proc/PID/cgroup. See cgroups(7).
package struct CgroupRow: Equatable, Sendable {
    /// 0 for the unified hierarchy.
    package var hierarchy: UInt32
    /// Controllers, `name=x`, or empty for the unified hierarchy.
    package var controllers: String
    package var path: String
    package var isUnified: Bool { hierarchy == 0 }

    /// All lines in the order of the file.
    package static func parse(_ bytes: [UInt8]) throws(ProcFormatError) -> [CgroupRow] {
        var rows: [CgroupRow] = []
        for line in bytes.lines {
            guard let (number, rest) = line.cut(at: UInt8(ascii: ":")), let hierarchy = number.decimal,
                let (controllers, path) = rest.cut(at: UInt8(ascii: ":"))
            else { throw ProcFormatError(file: "cgroup", detail: line.text) }
            rows.append(
                CgroupRow(
                    hierarchy: UInt32(truncatingIfNeeded: hierarchy), controllers: controllers.text,
                    path: path.text))
        }
        return rows
    }
}
