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
    /// The store or the machine lacks something; the text is a whole line.
    case environment(String)
}

extension DumpError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .trace(let error): "\(error)"
        case .task(let pid, let fact, let errno): "process \(pid): \(fact): \(errno)"
        case .image(let what, let errno): "\(what) cannot be written: \(errno)"
        case .imageFormat(let line), .cannotCarry(let line), .environment(let line): line
        }
    }
}
