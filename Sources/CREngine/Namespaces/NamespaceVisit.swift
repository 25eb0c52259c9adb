import CPlatform
import Glibc

/// Does something in the namespace of another process: the calling thread enters it and comes back.
///
/// For what answers by the namespace of whoever asks: tables below /proc/sys and /proc/sysvipc, names of the host,
/// sockets that are made. Other threads of ours stay where they are, and so do our descriptors. See setns(2).
enum NamespaceVisit {
    /// What went wrong on the way in; the errand has not run.
    struct Failure: Error, CustomStringConvertible {
        var kind: NamespaceKind
        /// Nil for a namespace that we have a descriptor of.
        var pid: PID?
        var errno: Errno

        var description: String {
            "the \(kind.name) namespace\(pid.map { " of process \($0)" } ?? "") cannot be entered: \(errno)"
        }
    }

    /// `kind` is one that a single thread can change: ipc, uts, cgroup or net. `refusal` makes a failure of the way in one of
    /// the errand.
    static func run<Value: ~Copyable, Problem: Error>(
        _ kind: NamespaceKind, of pid: PID, refusal: (Failure) -> Problem,
        _ errand: () throws(Problem) -> Value
    ) throws(Problem) -> Value {
        let theirs: OwnedFD
        do throws(Errno) {
            theirs = try OwnedFD.open("/proc/\(pid)/ns/\(kind.rawValue)", O_RDONLY)
        } catch {
            throw refusal(Failure(kind: kind, pid: pid, errno: error))
        }
        return try run(
            kind, descriptor: theirs.rawValue,
            refusal: { refusal(Failure(kind: kind, pid: pid, errno: $0.errno)) },
            errand)
    }

    /// The same in a namespace that we have a descriptor of.
    static func run<Value: ~Copyable, Problem: Error>(
        _ kind: NamespaceKind, descriptor: Int32, refusal: (Failure) -> Problem,
        _ errand: () throws(Problem) -> Value
    ) throws(Problem) -> Value {
        let ours = try enter(kind, descriptor, refusal: refusal)
        defer {
            // Nothing that we do after this may happen in the wrong place.
            if cp_syscall(CP_SYS_setns, Int(ours.rawValue), Int(kind.cloneFlag), 0, 0, 0, 0) != 0 { abort() }
        }
        return try errand()
    }

    /// Returns the way back.
    private static func enter<Problem: Error>(
        _ kind: NamespaceKind, _ theirs: Int32, refusal: (Failure) -> Problem
    ) throws(Problem) -> OwnedFD {
        do throws(Errno) {
            let ours = try OwnedFD.open("/proc/thread-self/ns/\(kind.rawValue)", O_RDONLY)
            try systemCall(CP_SYS_setns, Int(theirs), Int(kind.cloneFlag))
            return ours
        } catch {
            throw refusal(Failure(kind: kind, errno: error))
        }
    }
}
