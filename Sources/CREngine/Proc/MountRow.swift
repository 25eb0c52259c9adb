/// One line of /proc/PID/mountinfo. See proc_pid_mountinfo(5).
package struct MountRow: Equatable, Sendable {
    package var id: Int32
    package var parent: Int32
    package var device: DeviceNumber
    /// Of the file system, the part that is mounted.
    package var root: String
    package var mountPoint: String
    /// `ext4`, `proc`, `fuse.sshfs`…
    package var fileSystem: String

    /// All lines in the order of the file.
    package static func parse(_ bytes: [UInt8]) throws(ProcFormatError) -> [MountRow] {
        var rows: [MountRow] = []
        for line in bytes.lines {
            let words = line.words
            guard words.count >= 9, let id = words[0].decimal, let parent = words[1].decimal,
                let (major, minor) = words[2].cut(at: UInt8(ascii: ":")), let majorNumber = major.decimal,
                let minorNumber = minor.decimal,
                let dash = words.dropFirst(6).firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
                dash + 1 < words.count
            else { throw ProcFormatError(file: "mountinfo", detail: line.text) }
            rows.append(
                MountRow(
                    id: Int32(truncatingIfNeeded: id), parent: Int32(truncatingIfNeeded: parent),
                    device: DeviceNumber(
                        UInt32(truncatingIfNeeded: majorNumber), UInt32(truncatingIfNeeded: minorNumber)),
                    root: words[3].unescaped.text, mountPoint: words[4].unescaped.text,
                    fileSystem: words[dash + 1].text))
        }
        return rows
    }
}
