import CPlatform
import Glibc

/// Reads what is needed of one process after the other, in few system calls and without copies.
struct ProcessReader: ~Copyable {
    private let root: OwnedFD
    private let needs: ProcessNeeds
    private let pageSize = UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
    private var buffer = [UInt8](repeating: 0, count: 4096)
    private var terminals: [UInt32: String] = [:]
    /// Most processes of a host share a few control groups.
    private var lastCgroup: (bytes: [UInt8], groups: ControlGroups)?

    init(_ needs: ProcessNeeds) throws(Errno) {
        root = try OwnedFD.open("/proc", O_PATH | O_DIRECTORY)
        self.needs = needs
    }

    /// Nil where the process is gone.
    mutating func facts(_ pid: PID) -> ProcessFacts? {
        // What is read below an open directory is of the same process, even if its number is used again.
        guard
            let directory = try? OwnedFD.openat(root.rawValue, "\(pid.rawValue)", O_PATH | O_DIRECTORY),
            let length = read("stat", in: directory.rawValue),
            let stat = BriefStat(buffer[..<length])
        else { return nil }
        var facts = ProcessFacts(
            pid: pid, parent: PID(stat.parent), startTime: stat.startTime, comm: stat.comm)
        facts.session = PID(stat.session)
        facts.isKernelThread = stat.flags & BriefStat.kernelThread != 0
        facts.isZombie = stat.state == UInt8(ascii: "Z") || stat.state == UInt8(ascii: "X")
        facts.cpuTicks = stat.cpuTicks
        facts.residentBytes = stat.residentPages &* pageSize
        if facts.isKernelThread { return facts }
        if needs.terminal, stat.terminal != 0 { facts.terminal = terminal(stat.terminal) }
        if needs.owner {
            // The directory belongs to the effective user and group always; see proc(5).
            guard let status = ProcessReader.owner(of: directory.rawValue) else { return nil }
            (facts.user, facts.group) = status
        }
        if needs.cgroups || needs.container { facts.cgroups = cgroups(directory.rawValue) }
        if needs.container { facts.pidNamespace = ProcessReader.pidNamespace(directory.rawValue) }
        if facts.isZombie { return facts }
        if needs.exe { facts.exe = exe(directory.rawValue) }
        if needs.commandLine, let length = read("cmdline", in: directory.rawValue) {
            for place in 0..<length where buffer[place] == 0 { buffer[place] = UInt8(ascii: " ") }
            let isEnded = length > 0 && buffer[length - 1] == UInt8(ascii: " ")
            facts.commandLine = String(decoding: buffer[..<(isEnded ? length - 1 : length)], as: UTF8.self)
        }
        if !needs.environment.isEmpty, let length = read("environ", in: directory.rawValue) {
            facts.environment = ProcessReader.variables(needs.environment, in: buffer[..<length])
        }
        return facts
    }

    /// The first of each name, as getenv(3) finds it.
    private static func variables(_ names: Set<String>, in bytes: Field) -> [String: String] {
        var found: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            guard let (name, value) = entry.cut(at: UInt8(ascii: "=")) else { continue }
            let text = name.text
            if names.contains(text), found[text] == nil { found[text] = value.text }
        }
        return found
    }

    private mutating func cgroups(_ directory: Int32) -> ControlGroups? {
        guard let length = read("cgroup", in: directory) else { return nil }
        if let last = lastCgroup, last.bytes.elementsEqual(buffer[..<length]) { return last.groups }
        let bytes = Array(buffer[..<length])
        guard let rows = try? CgroupRow.parse(bytes) else { return nil }
        let groups = ControlGroups(rows)
        lastCgroup = (bytes, groups)
        return groups
    }

    /// Nil where the kernel does not show it.
    private mutating func exe(_ directory: Int32) -> String? {
        let count = buffer.withUnsafeMutableBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlinkat(directory, "exe", $0, text.count) } ?? 0
            }
        }
        guard count > 0 else { return nil }
        let mark = " (deleted)"
        let isDeleted = buffer[..<count].suffix(mark.utf8.count).elementsEqual(mark.utf8)
        return String(
            decoding: buffer[..<(isDeleted ? count - mark.utf8.count : count)], as: UTF8.self)
    }

    /// The whole file into the buffer, which grows as it must: its length, nil where it cannot be read.
    private mutating func read(_ name: String, in directory: Int32) -> Int? {
        guard let fd = (try? OwnedFD.openat(directory, name, O_RDONLY))?.release() else { return nil }
        defer { close(fd) }
        var length = 0
        while true {
            if length == buffer.count {
                buffer.append(contentsOf: [UInt8](repeating: 0, count: buffer.count))
            }
            let count = buffer.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map { Glibc.read(fd, $0 + length, bytes.count - length) } ?? 0
            }
            if count < 0, errno == EINTR { continue }
            if count < 0 { return nil }
            if count == 0 { return length }
            length += count
        }
    }

    private static func pidNamespace(_ directory: Int32) -> UInt64? {
        var status = stat()
        guard fstatat(directory, "ns/pid", &status, 0) == 0 else { return nil }
        return UInt64(status.st_ino)
    }

    private static func owner(of directory: Int32) -> (UInt32, UInt32)? {
        var status = stat()
        guard fstat(directory, &status) == 0 else { return nil }
        return (status.st_uid, status.st_gid)
    }

    /// A terminal's path by its device number as /proc/PID/stat has it.
    private mutating func terminal(_ number: UInt32) -> String {
        if let known = terminals[number] { return known }
        let path = TerminalName.path(
            major: number >> 8 & 0xfff, minor: number & 0xff | number >> 12 & 0xfff00)
        terminals[number] = path
        return path
    }
}

/// Where a terminal is below /dev.
enum TerminalName {
    /// Majors 136 to 143 are pseudo-terminals of devpts; the others say their name in sysfs.
    static func path(major: UInt32, minor: UInt32) -> String {
        if (136...143).contains(major) { return "/dev/pts/\((major - 136) << 8 + minor)" }
        if let bytes = try? OwnedFD.open("/sys/dev/char/\(major):\(minor)/uevent", O_RDONLY).readToEnd() {
            for line in bytes.lines where line.starts(with: "DEVNAME=") {
                return "/dev/" + line.dropFirst("DEVNAME=".utf8.count).text
            }
        }
        return "/dev/char/\(major):\(minor)"
    }
}
