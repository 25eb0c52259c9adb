import CPlatform
import CREngine
import FoundationEssentials
import Glibc

/// What a run prints, as one JSON object in one line.
struct Verdict: Encodable {
    var subject: String?
    /// `pass` or `fail`.
    var result: String
    /// The steps that were done, with the milliseconds each took.
    var steps: [String] = []
    var reason: String?
    /// The ends of the logs that belong to the failure.
    var tail: String?
    /// The run's directory, where it was kept.
    var directory: String?

    func show() {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let bytes = try? encoder.encode(self) { print(String(decoding: bytes, as: UTF8.self)) }
    }
}

/// Tracing is heavy: one run at a time on the whole machine, whoever starts them.
func takeTurn() throws(RunFailure) -> OwnedFD {
    do throws(Errno) {
        let lock = try OwnedFD.open("/tmp/crplan-subject-runner.lock", O_RDWR | O_CREAT, mode: 0o600)
        try systemCall(CP_SYS_flock, Int(lock.rawValue), Int(LOCK_EX))
        return lock
    } catch {
        throw RunFailure("the lock of the runners: \(error)")
    }
}

/// Makes orphans below us our children, see PR_SET_CHILD_SUBREAPER in prctl(2).
func becomeSubreaper() throws(RunFailure) {
    let setChildSubreaper = 36
    do throws(Errno) {
        try systemCall(CP_SYS_prctl, setChildSubreaper, 1)
    } catch {
        throw RunFailure("PR_SET_CHILD_SUBREAPER: \(error)")
    }
}

/// The run's own directory, with `run/` inside, which the subject may write whatever user it becomes.
func makeDirectory(in parent: String) throws(RunFailure) -> String {
    var template = Array("\(parent)/subject-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw RunFailure("\(parent): \(Errno(rawValue: errno))") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    chmod(path, 0o755)
    mkdir(path + "/run", 0o777)
    chmod(path + "/run", 0o777)
    return path
}

/// Removes a tree of files, without following links.
func remove(_ path: String) {
    if unlink(path) == 0 || errno == ENOENT { return }
    for name in names(in: path) { remove("\(path)/\(name)") }
    rmdir(path)
}

/// Runs what the command line says and prints the verdict. Returns 0 for a pass, 1 for a failure, 64 for a wrong command line.
func runSubject(_ arguments: [String]) -> Int32 {
    let own = link(at: "/proc/self/exe") ?? ""
    let beside = own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    var verdict = Verdict(result: "fail")
    defer { verdict.show() }
    do throws(RunFailure) {
        let options = try Options(Array(arguments.dropFirst()), beside: beside)
        verdict.subject = options.subjectArguments.joined(separator: " ")
        try becomeSubreaper()
        let turn = try takeTurn()
        defer { _ = turn.rawValue }
        let directory = try makeDirectory(in: options.work)
        defer { if !options.keep { remove(directory) } }
        if options.keep { verdict.directory = directory }
        var run = Run(options, directory: directory)
        defer { verdict.steps = run.times.map { "\($0.step) \(Int($0.milliseconds)) ms" } }
        try run.perform()
        verdict.result = "pass"
        return 0
    } catch {
        verdict.reason = error.reason
        if !error.log.isEmpty { verdict.tail = error.log }
        return verdict.subject == nil ? 64 : 1
    }
}

exit(runSubject(CommandLine.arguments))
