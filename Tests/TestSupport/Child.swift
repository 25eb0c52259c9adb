import CPlatform
package import CREngine
import Glibc

/// How a child of ours ended.
package enum Ending: Equatable, CustomStringConvertible {
    case exit(Int32)
    case signal(Int32)

    package init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exit((waitStatus >> 8) & 0xff) : .signal(signal)
    }

    package var description: String {
        switch self {
        case .exit(let code): "exit \(code)"
        case .signal(let number): "signal \(number)"
        }
    }
}

/// Seconds of the monotonic clock.
package func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Polls until the condition holds; false once the deadline passed.
package func poll(until deadline: Double, every milliseconds: UInt32 = 5, _ condition: () -> Bool) -> Bool {
    while !condition() {
        if now() > deadline { return false }
        usleep(milliseconds * 1000)
    }
    return true
}

/// Starts a program in a session of its own with nothing but /dev/null and the log, which it appends to.
///
/// - Returns: the child's pid.
/// - Throws: what posix_spawn(3) answers, ENOENT for a program that is not there.
package func spawn(_ words: [String], log: String, directory: String) throws(Errno) -> Int32 {
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
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var pid: Int32 = 0
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    let error = posix_spawn(&pid, words[0], &actions, &attributes, arguments, environ)
    if error != 0 { throw Errno(rawValue: error) }
    return pid
}

/// Waits for one child; nil if it still runs at the deadline.
package func wait(for pid: Int32, until deadline: Double) -> Ending? {
    var status: Int32 = 0
    let ended = poll(until: deadline) {
        let got = waitpid(pid, &status, WNOHANG)
        return got == pid || (got < 0 && errno == ECHILD)
    }
    return ended ? Ending(waitStatus: status) : nil
}

/// Makes orphans below us our children, see PR_SET_CHILD_SUBREAPER in prctl(2).
package func becomeSubreaper() throws(Errno) {
    let setChildSubreaper = 36
    try systemCall(CP_SYS_prctl, setChildSubreaper, 1)
}

/// Reaps these children of ours, and those of one session, until none of them is there; false if one still is at the
/// deadline.
///
/// Only these: another test's child stays for that test. The session catches what was forked after somebody looked.
package func reap(_ pids: some Sequence<Int32>, session: Int32 = 0, until deadline: Double) -> Bool {
    let pids = Array(pids)
    return poll(until: deadline) {
        let members = session == 0 ? [] : membersOf(session: session)
        for pid in pids + members { waitpid(pid, nil, WNOHANG) }
        return members.isEmpty && pids.allSatisfy { statFields("/proc/\($0)/stat").isEmpty }
    }
}

/// Kills these processes as far as they are there and below us, and reaps those that are ours.
///
/// The number of one that has ended is somebody else's sooner or later, of another test's run perhaps.
package func end(_ pids: some Sequence<Int32>) {
    let below = Set(processTree(of: getpid()))
    let pids = pids.filter { below.contains($0) }
    for pid in pids.reversed() { kill(pid, SIGKILL) }
    _ = reap(pids, until: now() + 5)
}

/// Without the blanks at both ends.
package func trimmed(_ text: String) -> String {
    let end = text.lastIndex { !$0.isWhitespace }.map { text.index(after: $0) } ?? text.startIndex
    return String(text[..<end].drop { $0.isWhitespace })
}
