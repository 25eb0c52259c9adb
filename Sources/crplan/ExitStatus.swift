import ArgumentParser

/// The exit codes of crplan. Scripts and monitors depend on them.
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    /// Nothing published, every task running again.
    case failed = 1
    /// With --fail-on-warn only.
    case warnings = 2
    case blocked = 3
    /// Some targets done, some not.
    case partial = 4
    /// A tree differs from the saved plan.
    case drift = 5
    case nothingMatched = 6
    /// Another run of the policy is under way.
    case locked = 7
    case verificationFailed = 8
    /// A task was left stopped, or killed without a durable image.
    case unsafe = 9
    case usage = 64
    case skipped = 75
    case missingPrivilege = 77
    case invalidPolicy = 78

    /// To be thrown from a command's `run`; `done` is no error and ends it as well.
    var exit: ExitCode { ExitCode(rawValue) }
}
