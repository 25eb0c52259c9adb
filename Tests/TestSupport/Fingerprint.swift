import CREngine
import Glibc

/// What /proc says of a tree, in a form that must be the same before and after: the look from outside that no subject
/// has of itself. Keys are `PID/thing` or `PID/TID/thing`.
package struct Fingerprint {
    package private(set) var facts: [String: String] = [:]
    /// Each process and thread of the tree that is not a zombie.
    package private(set) var tasks: [(pid: Int32, tid: Int32)] = []
    /// Threads that job control had stopped, by the numbers that they are known by.
    private var standing: Set<Int32> = []
    /// What keys and values call processes and threads, where that is not their number for us.
    private var numbers: [Int32: Int32] = [:]

    /// Lines of /proc/PID/status and /proc/PID/task/TID/status that a checkpoint must carry.
    private static let statusLines: Set<Substring> = [
        "Name", "Umask", "Tgid", "Pid", "Uid", "Gid", "Groups", "Kthread", "SigBlk", "SigIgn", "SigCgt",
        "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
        "Seccomp_filters",
        "Cpus_allowed",
    ]

    /// `hasOwnPIDs`: the tree is in a pid namespace of its own, and is known by the numbers that it has there.
    package init(root: Int32, hasOwnPIDs: Bool = false) {
        let tree = processTree(of: root)
        if hasOwnPIDs { for pid in tree { findNumbers(pid) } }
        facts["pids"] = tree.map { "\(number($0))" }.sorted().joined(separator: " ")
        for pid in tree { read(pid, root: root) }
    }

    private func number(_ outer: Int32) -> Int32 { numbers.isEmpty ? outer : numbers[outer] ?? 0 }

    private mutating func findNumbers(_ pid: Int32) {
        let threads = names(in: "/proc/\(pid)/task").compactMap { Int32($0) }
        for path in ["/proc/\(pid)"] + threads.map({ "/proc/\(pid)/task/\($0)" }) {
            for line in (text(of: path + "/status") ?? "").split(separator: "\n") {
                let words = line.split { $0 == "\t" || $0 == ":" }
                guard ["NSpid", "NSpgid", "NSsid"].contains(words.first), words.count > 2,
                    let outer = Int32(words[1]), let inner = words.last.flatMap({ Int32($0) })
                else { continue }
                numbers[outer] = inner
            }
        }
    }

    private mutating func read(_ host: Int32, root: Int32) {
        let directory = "/proc/\(host)"
        let stat = statFields(directory + "/stat")
        guard stat.count > 40 else { return }
        let pid = number(host)
        // The root's parent changes with a restore.
        if host != root { facts["\(pid)/parent"] = "\(number(Int32(stat[1]) ?? 0))" }
        facts["\(pid)/group"] = "\(number(Int32(stat[2]) ?? 0))"
        facts["\(pid)/session"] = "\(number(Int32(stat[3]) ?? 0))"
        facts["\(pid)/terminal"] = String(stat[4])
        facts["\(pid)/zombie"] = stat[0] == "Z" ? "yes, exit \(stat[49])" : "no"
        if stat[0] == "Z" { return }
        for name in ["cwd", "exe", "root"] { facts["\(pid)/\(name)"] = link(at: "\(directory)/\(name)") }
        for name in [
            "cmdline", "environ", "auxv", "limits", "cgroup", "oom_score_adj", "personality",
            "coredump_filter",
        ] {
            facts["\(pid)/\(name)"] = text(of: "\(directory)/\(name)")
        }
        readMaps(host)
        readDescriptors(host)
        for name in names(in: directory + "/task") {
            if let tid = Int32(name) { read(host, thread: tid) }
        }
    }

    private mutating func read(_ host: Int32, thread hostTID: Int32) {
        tasks.append((host, hostTID))
        let directory = "/proc/\(host)/task/\(hostTID)"
        let (pid, tid) = (number(host), number(hostTID))
        var masks: [Substring: UInt64] = [:]
        for line in (text(of: directory + "/status") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            if ["SigPnd", "ShdPnd", "SigBlk"].contains(parts[0]) {
                masks[parts[0]] = UInt64(trimmed(String(parts[1])), radix: 16)
            }
            if ["Tgid", "Pid"].contains(parts[0]), let outer = Int32(trimmed(String(parts[1]))) {
                facts["\(pid)/\(tid)/\(parts[0])"] = "\(number(outer))"
                continue
            }
            if Self.statusLines.contains(parts[0]) { facts["\(pid)/\(tid)/\(parts[0])"] = String(parts[1]) }
        }
        // A signal that nobody blocks is pending for an instant: a look at a running task meets it by chance.
        for key: Substring in ["SigPnd", "ShdPnd"] {
            if let pending = masks[key], let blocked = masks["SigBlk"] {
                facts["\(pid)/\(tid)/\(key)"] = String(pending & blocked, radix: 16)
            }
        }
        let stat = statFields(directory + "/stat")
        if stat.first == "T" { standing.insert(tid) }
        if stat.count > 40 {
            facts["\(pid)/\(tid)/nice"] = String(stat[16])
            facts["\(pid)/\(tid)/policy"] = "\(stat[38]) \(stat[37])"
        }
    }

    /// Address range, access, offset and name of each area. Devices and inodes are left out: a deleted file gets new ones.
    ///
    /// Areas that continue each other count as one: the kernel keeps some apart for what happened to them before.
    private mutating func readMaps(_ host: Int32) {
        let pid = number(host)
        var areas: [Area] = []
        for line in (text(of: "/proc/\(host)/maps") ?? "").split(separator: "\n") {
            guard let area = Area(line) else { continue }
            if let last = areas.last, last.continues(in: area) {
                areas[areas.count - 1].end = area.end
            } else {
                areas.append(area)
            }
        }
        for area in areas {
            let range = String(area.start, radix: 16) + "-" + String(area.end, radix: 16)
            facts["\(pid)/map \(range)"] = "\(area.access) \(String(area.offset, radix: 16)) \(area.name)"
        }
    }

    /// A line of /proc/PID/maps.
    private struct Area {
        var start: UInt64
        var end: UInt64
        var access: String
        var offset: UInt64
        var name: String

        init?(_ line: Substring) {
            let parts = line.split(separator: " ", maxSplits: 5)
            let range = parts.first?.split(separator: "-").compactMap { UInt64($0, radix: 16) } ?? []
            guard parts.count >= 5, range.count == 2, let offset = UInt64(parts[2], radix: 16) else {
                return nil
            }
            start = range[0]
            end = range[1]
            access = String(parts[1])
            self.offset = offset
            name = parts.count > 5 ? trimmed(String(parts[5])) : ""
            if name.hasSuffix("(deleted)") { name = "(deleted)" }
        }

        func continues(in next: Area) -> Bool {
            let sameFile = name.hasPrefix("/") ? offset + (end - start) == next.offset : offset == next.offset
            return end == next.start && access == next.access && name == next.name
                && (sameFile || name == "(deleted)")
        }
    }

    /// Target, position and flags of each descriptor.
    private mutating func readDescriptors(_ host: Int32) {
        let pid = number(host)
        for name in names(in: "/proc/\(host)/fd") {
            var target = link(at: "/proc/\(host)/fd/\(name)") ?? "?"
            // Numbers of anonymous objects are the kernel's own.
            if let bracket = target.firstIndex(of: "["), !target.hasPrefix("/") {
                target = String(target[..<bracket])
            }
            // At each look at its path procfs makes the name of such a file anew: proc_net_d_revalidate in fs/proc.
            let ofNetwork = target.hasPrefix("/proc/") && target.contains("/net/")
            if ofNetwork, target.hasSuffix(" (deleted)") { target.removeLast(" (deleted)".count) }
            if target.hasSuffix("(deleted)") { target = "(deleted)" }
            // A memory device is its number, by whichever node it was opened.
            var node = stat()
            if stat("/proc/\(host)/fd/\(name)", &node) == 0, node.st_mode & S_IFMT == S_IFCHR,
                node.st_rdev >> 8 == 1
            {
                target = "memory device \(node.st_rdev & 0xff)"
            }
            let info = (text(of: "/proc/\(host)/fdinfo/\(name)") ?? "").split(separator: "\n")
            let kept = info.filter { $0.hasPrefix("pos:") || $0.hasPrefix("flags:") }.joined(separator: " ")
            facts["\(pid)/fd \(name)"] = "\(target) \(kept)"
        }
    }

    /// What differs, one line each, at most `limit`; empty if the tree is what it was. Descriptors of the numbers in
    /// `except` are not looked at.
    package func differences(
        from before: Fingerprint, except: Set<Int32> = [], limit: Int = 12
    ) -> [String] {
        var lines: [String] = []
        let then = Set(before.tasks.map { before.number($0.tid) })
        let now = Set(tasks.map { number($0.tid) })
        let (gone, new) = (then.subtracting(now), now.subtracting(then))
        lines += gone.sorted().map { "thread \($0) is gone" } + new.sorted().map { "thread \($0) is new" }
        for key in Set(facts.keys).union(before.facts.keys).sorted() where facts[key] != before.facts[key] {
            if except.contains(where: { key.hasSuffix("/fd \($0)") }) { continue }
            let parts = key.split(separator: "/")
            if parts.count == 3, let tid = Int32(parts[1]), gone.contains(tid) || new.contains(tid) {
                continue
            }
            lines.append("\(key) was \(shown(before.facts[key])), is \(shown(facts[key]))")
        }
        return Array(lines.prefix(limit))
    }

    private func shown(_ fact: String?) -> String {
        guard let fact else { return "not there" }
        return trimmed(String(fact.map { $0.isWhitespace || $0 == "\0" ? " " : $0 }))
    }

    /// Threads that are stopped or traced, as "TID: what": a tool that is done leaves none but those that were stopped before,
    /// which do not go on either.
    package func held(before: Fingerprint? = nil) -> [String] {
        let stood = before?.standing ?? []
        return tasks.compactMap { task in
            let directory = "/proc/\(task.pid)/task/\(task.tid)"
            let status = text(of: directory + "/status") ?? ""
            let tracer = status.split(separator: "\n").first { $0.hasPrefix("TracerPid:") }
            if let tracer, tracer.split(separator: "\t").last != "0" { return "\(task.tid): \(tracer)" }
            let state = statFields(directory + "/stat").first ?? "gone"
            if stood.contains(number(task.tid)) {
                return state == "T" ? nil : "\(task.tid): goes on, state \(state)"
            }
            return ["T", "t", "gone"].contains(state) ? "\(task.tid): state \(state)" : nil
        }
    }
}
