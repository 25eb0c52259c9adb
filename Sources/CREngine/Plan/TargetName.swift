/// The stable name of a tree in the store: what it is, never its pid.
package enum TargetName {
    /// `solver-1f0c2a9b`: the pidfile's or the program's name, and a hash of the arguments.
    package static func stem(of root: TaskFacts, pidfile: String?) throws(StoreError) -> String {
        let path = pidfile ?? root.exe?.path ?? root.comm
        var base = String(path.split(separator: "/").last ?? "tree")
        if pidfile != nil, base.hasSuffix(".pid") { base = String(base.dropLast(4)) }
        let safe = String(
            base.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-+".contains($0)) ? $0 : "_" }.prefix(
                64))
        let line = Array(root.arguments.joined(separator: "\0").utf8)
        let name = safe.isEmpty || safe.hasPrefix(".") ? "tree" + safe : safe
        return "\(name)-\(try Digest.of(line).hexadecimal.prefix(8))"
    }

    /// Names for all, in their order: a second one of the same stem gets `.2`, the third `.3`, by start time.
    package static func distinct(_ targets: [(stem: String, startTime: UInt64, pid: PID)]) -> [String] {
        var names = targets.map(\.stem)
        let order = targets.indices.sorted {
            (targets[$0].startTime, targets[$0].pid) < (targets[$1].startTime, targets[$1].pid)
        }
        var seen: [String: Int] = [:]
        for place in order {
            let number = seen[targets[place].stem, default: 0] + 1
            seen[targets[place].stem] = number
            if number > 1 { names[place] += ".\(number)" }
        }
        return names
    }
}
