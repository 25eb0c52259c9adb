/// Finds what was probably meant by a word that is not known.
enum Nearest {
    /// The known word with the fewest typing errors between, if those are few for its length.
    static func word(to word: String, in known: [String]) -> String? {
        let wanted = folded(word)
        guard wanted.count <= 64 else { return nil }
        var best: (word: String, distance: Int)?
        for candidate in known {
            let target = folded(candidate)
            let limit = max(1, min(wanted.count, target.count) / 3)
            guard abs(wanted.count - target.count) <= limit else { continue }
            let distance = self.distance(wanted, target)
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.word
    }

    /// The nearest key of a section; else where the word has its place in a policy.
    static func key(to word: String, in known: [String]) -> String? {
        if let near = self.word(to: word, in: known) { return "'\(near)'" }
        return places[word].map { "'\($0)'" }
    }

    /// Options of criu and keys that people put a level too high, with what says the same here.
    private static let places = [
        "leave-running": "dump: {after: leave-running}", "leave-stopped": "dump: {after: leave-stopped}",
        "after": "dump: {after: …}", "timeout": "dump: {timeout: …}", "cron": "schedule: {cron: …}",
        "every": "schedule: {every: …}", "path": "store: {path: …}", "min-free": "store: {min-free: …}",
        "images-dir": "store: {path: …}", "manage-cgroups": "dump: {cgroups: …}",
        "network-lock": "dump: {network-lock: …}", "shell-job": "allow: {shell-job: true}",
        "ext-unix-sk": "allow: {ext-unix-sk: …}", "evasive-devices": "allow: {evasive-devices: …}",
        "link-remap": "allow: {link-remap: true}", "ghost-limit": "allow: {ghost-limit: …}",
        "tcp-established": "allow: {tcp-established: …}",
        "tcp-close": "allow: {tcp-established: [{action: close}]}",
        "skip-in-flight": "allow: {tcp-in-flight: skip}", "tcp-in-flight": "allow: {tcp-in-flight: …}",
        "stdio": "allow: {stdio: …}", "ext-pipes": "allow: {ext-pipes: …}",
        "file-locks": "allow: {file-locks: …}", "ext-mount-map": "allow: {ext-mount-map: …}",
        "veth": "allow: {veth: …}", "veth-pair": "allow: {veth: …}", "external": "allow: {external: …}",
        "action-script": "action-scripts: […]", "inherit-fd": "restore: {inherit-fd: …}",
        "restore-detached": "restore: {detach: true}", "keep-last": "retention: {keep-last: …}",
        "parallel": "batch: {parallel: …}", "keep-going": "batch: {keep-going: …}",
        "exe": "select: [{exe: …}]", "comm": "select: [{comm: …}]", "pid": "select: [{pid: …}]",
        "pidfile": "select: [{pidfile: …}]", "cmdline": "select: [{cmdline: …}]",
        "user": "select: [{user: …}]",
    ]

    /// Keys are kebab-case; camelCase and snake_case of the same words are no distance.
    private static func folded(_ word: String) -> [UInt8] {
        var result: [UInt8] = []
        var previous: UInt8 = 0
        for byte in word.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"):
                if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(previous) {
                    result.append(UInt8(ascii: "-"))
                }
                result.append(byte | 0x20)
            case UInt8(ascii: "_"), UInt8(ascii: " "): result.append(UInt8(ascii: "-"))
            default: result.append(byte)
            }
            previous = byte
        }
        return result
    }

    /// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var rows = [[Int]](repeating: [Int](repeating: 0, count: right.count + 1), count: left.count + 1)
        for row in 0...left.count { rows[row][0] = row }
        for column in 0...right.count { rows[0][column] = column }
        for row in 1..<left.count + 1 {
            for column in 1..<right.count + 1 {
                let cost = left[row - 1] == right[column - 1] ? 0 : 1
                var best = min(
                    rows[row - 1][column] + 1, rows[row][column - 1] + 1, rows[row - 1][column - 1] + cost)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1]
                {
                    best = min(best, rows[row - 2][column - 2] + 1)
                }
                rows[row][column] = best
            }
        }
        return rows[left.count][right.count]
    }
}
