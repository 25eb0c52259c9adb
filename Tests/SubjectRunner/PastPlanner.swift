import CREngine
import Glibc
import PolicyModel
import TestSupport

/// A checkpoint tool that dumps whatever it is told to, whatever the planner says of it: only so can be seen whether
/// what the planner blocks would have been lost. `crplan` itself has no such way.
///
/// `past-planner ALLOW dump …` and `past-planner ALLOW restore …`, with the words that the runner gives every tool; ALLOW
/// is a policy's `allow` in YAML's flow form, `{}` for nothing.
enum PastPlanner {
    /// Nil where the words are no call of this tool.
    static func run(_ words: [String], crplan: String) -> Int32? {
        // The dump's own supervisor is this program too.
        if words.dropFirst().prefix(2) == ["internal", "supervise"] {
            let failures = Supervisor(workerPidfd: 4, journal: 3, notes: 6).run(ready: OwnedFD(taking: 5))
            return failures.isEmpty ? 0 : 1
        }
        guard words.count > 3, words[1] == "past-planner" else { return nil }
        let (allow, verb, rest) = (words[2], words[3], Array(words[4...]))
        guard verb == "dump" else { return restore(crplan, [verb] + rest) }
        do {
            try dump(rest, allow: allow)
            return 0
        } catch {
            print("past-planner: \(error)")
            return 1
        }
    }

    private static func dump(_ words: [String], allow: String) throws {
        func value(_ option: String) -> String? {
            words.firstIndex(of: option).flatMap { words.indices.contains($0 + 1) ? words[$0 + 1] : nil }
        }
        guard let root = value("-t").flatMap({ Int32($0) }), let directory = value("-D") else {
            throw RunFailure("dump needs -t and -D")
        }
        let text = "version: 1\nname: past\nselect: [{pid: \(root)}]\nallow: \(allow)\n"
        let policies = try PolicyLoader().load([PolicyFile(name: "past", bytes: Array(text.utf8))])
        var options = DumpOptions(root: PID(root), after: words.contains("-R") ? .leaveRunning : .kill)
        options.allow = policies.first?.allow ?? Allowances()
        switch options.allow.ghostLimit {
        case .bytes(let limit): options.ghostLimit = limit.bytes
        case .auto: options.ghostLimit = .max
        }
        let images = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY)
        let log = try EngineLog(path: directory + "/dump.log", level: .debug)
        do {
            _ = try DumpExecutor(options: options, log: log).run(into: images) { (_) throws(DumpError) in }
        } catch {
            log.error("\(error)")
            log.flush()
            throw error
        }
    }

    private static func restore(_ crplan: String, _ words: [String]) -> Int32 {
        let arguments = ([crplan] + words).map { strdup($0) } + [nil]
        execv(crplan, arguments)
        print("past-planner: \(crplan) cannot be started: \(Errno(rawValue: errno))")
        return 1
    }
}
