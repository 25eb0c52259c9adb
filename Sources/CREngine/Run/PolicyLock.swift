import CPlatform
import FoundationEssentials
import Glibc

/// Who holds a policy's lock.
package struct LockHolder: Codable, Sendable, Equatable {
    package var pid: Int32
    /// Clock ticks after boot at which the process started, field 22 of proc_pid_stat(5).
    package var startTime: UInt64
    /// /proc/sys/kernel/random/boot_id
    package var bootID: String

    /// This process.
    package static func ourselves() throws(Errno) -> LockHolder {
        guard let life = try ProcessLife.of(PID(getpid())) else { throw .noProcess }
        return LockHolder(pid: getpid(), startTime: life.startTime, bootID: try bootID())
    }

    /// False when the machine was started again since, or when the process number belongs to nobody or to another.
    func isAlive() throws(Errno) -> Bool {
        guard try bootID == LockHolder.bootID() else { return false }
        return try ProcessLife.of(PID(pid))?.startTime == startTime
    }

    private static func bootID() throws(Errno) -> String {
        let bytes = try OwnedFD.open("/proc/sys/kernel/random/boot_id", O_RDONLY).readToEnd()
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}

/// Why a policy's lock could not be taken.
package enum LockError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Another run of the policy is under way.
    case held(path: String, by: LockHolder?)
    /// A signal came while we waited for that run to end.
    case stopped(path: String, signal: Int32)
    case failed(path: String, Errno)

    package var description: String {
        switch self {
        case .held(let path, let holder):
            "\(path): another run of this policy holds it" + (holder.map { ", pid \($0.pid)" } ?? "")
                + "; wait for it to end"
        case .stopped(let path, let signal):
            "\(path): stopped by \(SignalName(signal)) while another run of this policy held it; nothing was begun"
        case .failed(let path, let errno): "\(path): the lock cannot be taken: \(errno); run crplan as root"
        }
    }
}

/// One run of a policy at a time: `/run/crplan/POLICY.lock`, given back when the value goes.
///
/// The kernel's lock (flock(2)) decides and ends with the process however that ends; what the file says is for people,
/// and tells a lock that was left behind.
package struct PolicyLock: ~Copyable {
    package static let defaultDirectory = "/run/crplan"

    /// The holder of before, whose process is gone without having given the lock back; nil as a rule.
    package let tookOverFrom: LockHolder?
    private let file: OwnedFD
    private let path: String

    /// Takes the lock without waiting.
    package init(policy: String, directory: String = PolicyLock.defaultDirectory) throws(LockError) {
        let path = "\(directory)/\(policy).lock"
        do throws(Errno) {
            if mkdir(directory, 0o755) != 0, errno != EEXIST { throw Errno(rawValue: errno) }
            while true {
                let file = try OwnedFD.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o644)
                try systemCall(CP_SYS_flock, Int(file.rawValue), Int(LOCK_EX | LOCK_NB))
                // A holder that ended meanwhile has unlinked the file that we waited on.
                guard PolicyLock.isSame(file, path) else { continue }
                let left = PolicyLock.holder(in: file)
                try PolicyLock.write(.ourselves(), to: file)
                self.path = path
                self.tookOverFrom = left
                self.file = file
                return
            }
        } catch {
            if error == .again { throw .held(path: path, by: PolicyLock.holder(at: path)) }
            throw .failed(path: path, error)
        }
    }

    /// Takes the lock, and waits for it until the deadline has passed or a signal says to stop.
    static func take(
        policy: String, directory: String, until deadline: Deadline, stop: borrowing StopSignals
    ) throws(LockError) -> PolicyLock {
        while true {
            do throws(LockError) {
                return try PolicyLock(policy: policy, directory: directory)
            } catch {
                guard case .held(let path, _) = error, !deadline.hasPassed else { throw error }
                var watched = pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&watched, 1, 100)
                if let signal = stop.received { throw .stopped(path: path, signal: signal) }
            }
        }
    }

    deinit { _ = unlink(path) }

    /// Whose lock it is now; nil when nobody holds it.
    package static func holder(
        policy: String, directory: String = PolicyLock.defaultDirectory
    ) -> LockHolder? {
        guard let holder = holder(at: "\(directory)/\(policy).lock"), (try? holder.isAlive()) == true else {
            return nil
        }
        return holder
    }

    private static func isSame(_ file: borrowing OwnedFD, _ path: String) -> Bool {
        var held = stat()
        var present = stat()
        guard fstat(file.rawValue, &held) == 0, stat(path, &present) == 0 else { return false }
        return held.st_ino == present.st_ino && held.st_dev == present.st_dev
    }

    private static func holder(at path: String) -> LockHolder? {
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NOFOLLOW) else { return nil }
        return holder(in: file)
    }

    private static func holder(in file: borrowing OwnedFD) -> LockHolder? {
        guard let bytes = try? file.readToEnd() else { return nil }
        return try? JSONDecoder().decode(LockHolder.self, from: Data(bytes))
    }

    private static func write(_ holder: LockHolder, to file: borrowing OwnedFD) throws(Errno) {
        guard let bytes = try? JSONEncoder().encode(holder) else { throw .invalid }
        if ftruncate(file.rawValue, 0) != 0 || lseek(file.rawValue, 0, SEEK_SET) != 0 {
            throw Errno(rawValue: errno)
        }
        try file.writeAll(Array(bytes) + [UInt8(ascii: "\n")])
    }
}
