import CREngine
import Glibc

/// How a child of ours ended.
enum Ending: Equatable, CustomStringConvertible {
    case exit(Int32)
    case signal(Int32)

    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exit((waitStatus >> 8) & 0xff) : .signal(signal)
    }

    var description: String {
        switch self {
        case .exit(let code): "exit \(code)"
        case .signal(let number): "signal \(number)"
        }
    }
}

/// Seconds of the monotonic clock.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Polls until the condition holds; false once the deadline passed.
func poll(until deadline: Double, every milliseconds: UInt32 = 5, _ condition: () -> Bool) -> Bool {
    while !condition() {
        if now() > deadline { return false }
        usleep(milliseconds * 1000)
    }
    return true
}

/// Starts a program in a session of its own with nothing but /dev/null and the log, which it appends to.
///
/// - Returns: the child's pid.
func spawn(_ words: [String], log: String, directory: String, newSession: Bool) throws(RunFailure) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    posix_spawn_file_actions_addchdir_np(&actions, directory)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (newSession ? POSIX_SPAWN_SETSID : 0)
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var pid: pid_t = 0
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    let error = posix_spawn(&pid, words[0], &actions, &attributes, arguments, environ)
    if error != 0 { throw RunFailure("\(words[0]) does not start: \(Errno(rawValue: error))") }
    return pid
}

/// Waits for one child; nil if it still runs at the deadline.
func wait(for pid: pid_t, until deadline: Double) -> Ending? {
    var status: Int32 = 0
    let ended = poll(until: deadline) {
        let got = waitpid(pid, &status, WNOHANG)
        return got == pid || (got < 0 && errno == ECHILD)
    }
    return ended ? Ending(waitStatus: status) : nil
}
