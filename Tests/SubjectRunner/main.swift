import CREngine
import FoundationEssentials
import Glibc
import TestSupport

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

/// Runs what the command line says and prints the verdict. Returns 0 for a pass, 1 for a failure, 64 for a wrong command line.
func runSubject(_ arguments: [String]) -> Int32 {
    let own = link(at: "/proc/self/exe") ?? ""
    let beside = own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    if let status = PastPlanner.run(arguments, crplan: beside + "/crplan") { return status }
    var verdict = Verdict(result: "fail")
    defer { verdict.show() }
    do throws(RunFailure) {
        let options = try Options(Array(arguments.dropFirst()), beside: beside)
        verdict.subject = options.subjectArguments.joined(separator: " ")
        let turn = try failing("the lock of the runners", takeTurn)
        defer { _ = turn.rawValue }
        try failing("PR_SET_CHILD_SUBREAPER", becomeSubreaper)
        let directory = try failing(options.work) { () throws(Errno) in try makeDirectory(in: options.work) }
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
