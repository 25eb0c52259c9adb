/// Why there is no snapshot.
package enum CollectorError: Error, Equatable, Sendable, CustomStringConvertible {
    case noSuchProcess(PID)
    case unreadable(path: String, errno: Errno)
    case network(pid: PID, error: NetworkError)
    case malformed(pid: PID, error: ProcFormatError)

    package var description: String {
        switch self {
        case .noSuchProcess(let pid): "process \(pid): there is none; it ended or never was"
        case .unreadable(let path, let errno):
            "\(path): \(errno); run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
        case .network(let pid, let error): "process \(pid): \(error)"
        case .malformed(let pid, let error): "process \(pid): \(error)"
        }
    }
}
