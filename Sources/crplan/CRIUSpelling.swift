/// CRIU's ways to write short options, which getopt(3) knows and the argument parser does not.
enum CRIUSpelling {
    private static let plumbing: Set<String> = ["dump", "restore", "check"]
    private static let withValue: Set<Character> = ["t", "D", "W", "o", "J"]
    /// What is written without any -v.
    private static let verbosity = 2

    /// Options that `--no-` before them takes back, and their letters.
    private static let flags = [
        "restore-detached": "-d", "restore-sibling": "-S", "shell-job": "-j", "file-locks": "-l",
        "tcp-established": nil, "tcp-close": nil, "log-pid": nil, "evasive-devices": nil, "link-remap": nil,
        "track-mem": nil, "force-irmap": nil, "skip-in-flight": nil, "skip-file-rwx-check": nil,
        "ghost-fiemap": nil,
    ]

    /// The words of a command line in the parser's form: `-t12` as `-t 12`, `-v` and `-vv` as `--verbosity 3` and `4`,
    /// `-x12` as `--ext-unix-sk --ext-unix-sk-of 12`; nothing for a flag that `--no-FLAG` behind it takes back.
    static func words(_ words: [String]) -> [String] {
        guard let command = words.first, plumbing.contains(command) else { return words }
        var result = [command]
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            let letters = word.dropFirst()
            if word == "--verbosity" {
                // A number belongs to it only behind an equals sign; one that stands alone is taken too.
                let level = rest.first.flatMap { Int($0) } == nil ? "\(verbosity + 1)" : rest.removeFirst()
                result += ["--verbosity", level]
                continue
            }
            if word.hasPrefix("--no-"), let letter = flags[String(word.dropFirst(5))] {
                result.removeAll { $0 == "--" + word.dropFirst(5) || $0 == letter }
                continue
            }
            if word == "--cpu-cap" {
                result.append("--cpu-cap=all")
                continue
            }
            if word == "--manage-cgroups" {
                // Alone it is the default, and takes no word behind it.
                result.append("--manage-cgroups=soft")
                continue
            }
            if let inodes = socketInodes(word) {
                result += ["--ext-unix-sk", "--ext-unix-sk-of", String(inodes)]
                continue
            }
            guard word.hasPrefix("-"), !word.hasPrefix("--"), let first = letters.first else {
                result.append(word)
                if word == "--" { return result + rest }
                continue
            }
            if letters.allSatisfy({ $0 == "v" }) {
                result += ["--verbosity", "\(min(4, verbosity + letters.count))"]
            } else if withValue.contains(first), letters.count > 1 {
                result += ["-\(first)", String(letters.dropFirst())]
            } else {
                result.append(word)
                if withValue.contains(first), let value = rest.popFirst() { result.append(value) }
            }
        }
        return result
    }

    /// For words of --cpu-cap that there are not.
    static func processorRefusal(_ words: String) -> String {
        "--cpu-cap takes fpu, ins, cpu, all and none with commas between, each perhaps after ^, not \(words)"
    }

    /// For a mode of --manage-cgroups that there is not.
    static func cgroupRefusal(_ mode: String) -> String {
        "--manage-cgroups takes ignore, none, props, soft, full or strict, not \(mode)"
    }

    /// The value of `--ext-unix-sk=INODE` or `-xINODE`; the option alone has none.
    private static func socketInodes(_ word: String) -> Substring? {
        let long = "--ext-unix-sk="
        if word.hasPrefix(long) { return word.dropFirst(long.count) }
        return word.hasPrefix("-x") && word.count > 2 ? word.dropFirst(2) : nil
    }
}
