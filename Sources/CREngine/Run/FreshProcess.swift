import CPlatform
import Glibc

/// How programs are started that work for us: in a process group of their own, with no blocked signal and the default
/// action for every one. See posix_spawn(3).
enum FreshProcess {
    /// Our own, as `NAME=VALUE`.
    static var environment: [String] {
        var found: [String] = []
        var place = environ
        while let text = place.pointee {
            found.append(String(cString: text))
            place += 1
        }
        return found
    }

    /// Starts the program at the path, without a shell; its name is the first word. Nil for our own environment.
    ///
    /// Throws what posix_spawn(3) answers: ENOENT for no such program, ENOEXEC for a script without an interpreter.
    static func start(
        _ path: String, _ words: [String], _ actions: inout posix_spawn_file_actions_t,
        environment: [String]? = nil
    ) throws(Errno) -> PID {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))

        let arguments = words.map { strdup($0) } + [nil]
        let variables = (environment ?? []).map { strdup($0) } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var pid: pid_t = 0
        let error =
            environment == nil
            ? posix_spawn(&pid, path, &actions, &attributes, arguments, environ)
            : posix_spawn(&pid, path, &actions, &attributes, arguments, variables)
        if error != 0 { throw Errno(rawValue: error) }
        return PID(pid)
    }
}
