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
    /// What is said of this mount alone: `rw`, `nosuid`, `relatime`…
    package var options: [String] = []
    /// Peers under this number see what is mounted here; 0 for none.
    package var peerGroup: UInt32 = 0
    /// What is mounted at peers under this number, is mounted here too; 0 for none.
    package var masterGroup: UInt32 = 0
    /// It may not be bound elsewhere.
    package var isUnbindable = false
    /// A device, or a word that says nothing.
    package var source = ""
    /// What is said of the file system for all its mounts: `rw`, `size=1024k`…
    package var fileSystemOptions: [String] = []

    package init(
        id: Int32, parent: Int32, device: DeviceNumber, root: String, mountPoint: String, fileSystem: String
    ) {
        self.id = id
        self.parent = parent
        self.device = device
        self.root = root
        self.mountPoint = mountPoint
        self.fileSystem = fileSystem
    }

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
            var row = MountRow(
                id: Int32(truncatingIfNeeded: id), parent: Int32(truncatingIfNeeded: parent),
                device: DeviceNumber(
                    UInt32(truncatingIfNeeded: majorNumber), UInt32(truncatingIfNeeded: minorNumber)),
                root: words[3].unescaped.text, mountPoint: words[4].unescaped.text,
                fileSystem: words[dash + 1].text)
            row.options = words[5].optionList
            for field in words[6..<dash] { row.addPropagation(field) }
            // A source may be empty, and is then a run of blanks, which is no word.
            row.fileSystemOptions = (words.last ?? []).optionList
            if dash + 3 < words.count { row.source = words[dash + 2].unescaped.text }
            rows.append(row)
        }
        return rows
    }

    private mutating func addPropagation(_ field: Field) {
        guard let (name, number) = field.cut(at: UInt8(ascii: ":")) else {
            if field.text == "unbindable" { isUnbindable = true }
            return
        }
        let group = UInt32(truncatingIfNeeded: number.decimal ?? 0)
        switch name.text {
        case "shared": peerGroup = group
        case "master": masterGroup = group
        default: break
        }
    }
}

extension Field {
    /// Words between commas, octal escapes turned back.
    fileprivate var optionList: [String] {
        split(separator: UInt8(ascii: ",")).map { $0.unescaped.text }
    }
}
