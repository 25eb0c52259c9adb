import Glibc

/// Why a dump was not made. Every task runs on when it is thrown.
package enum DumpError: Error, Equatable, Sendable {
    case trace(TraceError)
    /// A fact of one process could not be had.
    case task(PID, String, Errno)
    /// An image could not be written.
    case image(String, Errno)
    /// An image could not be made; the text is a whole line.
    case imageFormat(String)
    /// Something that a dump of today cannot carry, met after the freeze; the text is a whole line.
    case cannotCarry(String)
    /// The same, with what the planner would have said of it, had anything shown it while the tree ran.
    case found(Finding)
    /// The tree was stopped longer than the policy lets it be; the text is a whole line.
    case pauseTooLong(String)
    /// A program of the operator failed, or asked to be left alone.
    case hook(HookFailure)
    /// The store or the machine lacks something; the text is a whole line.
    case environment(String)
}

extension DumpError {
    /// Whether it passes by itself: a tree that was busy or changing, or a machine that was short of something.
    package var isTransient: Bool {
        func passes(_ errno: Errno) -> Bool {
            [EAGAIN, ENOMEM, EINTR, EBUSY, ESRCH, ENFILE, EMFILE, ETIMEDOUT].contains(errno.rawValue)
        }
        switch self {
        case .trace(let error):
            switch error {
            case .died, .timedOut, .treeKeepsChanging, .outrun: return true
            case .failed(_, _, let errno), .remoteCall(_, _, let errno): return passes(errno)
            case .unexpectedStop, .refused, .cancelled: return false
            }
        case .task(_, _, let errno): return passes(errno)
        case .image(_, let errno): return errno.rawValue == EAGAIN || errno.rawValue == ENOMEM
        case .imageFormat, .cannotCarry, .found, .pauseTooLong, .hook, .environment: return false
        }
    }
}

extension DumpError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .trace(let error): "\(error)"
        case .task(let pid, let fact, let errno): "process \(pid): \(fact): \(errno)"
        case .image(let what, let errno): "\(what) cannot be written: \(errno)"
        case .hook(let failure): "\(failure)"
        case .found(let finding): finding.line
        case .imageFormat(let line), .cannotCarry(let line), .environment(let line), .pauseTooLong(let line):
            line
        }
    }
}
