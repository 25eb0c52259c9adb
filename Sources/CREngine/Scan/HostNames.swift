import CPlatform
import Glibc
package import PolicyModel

extension Selection.Names {
    /// Asks the host for every user, group and pidfile that a policy names.
    package static func resolve(_ policy: Policy) -> Selection.Names {
        var names = Selection.Names()
        for matcher in policy.select + policy.except {
            for case .name(let name) in matcher.user {
                if let entry = getpwnam(name) { names.users[name] = entry.pointee.pw_uid }
            }
            for case .name(let name) in matcher.group {
                if let entry = getgrnam(name) { names.groups[name] = entry.pointee.gr_gid }
            }
            if let path = matcher.pidfile { names.pidfiles[path] = pid(inFile: path) }
        }
        return names
    }

    /// The number on the first line of a pidfile; nil where there is none.
    private static func pid(inFile path: String) -> PID? {
        // A fifo at that path must not hold us up.
        guard let file = try? OwnedFD.open(path, O_RDONLY | O_NONBLOCK), let bytes = try? file.readToEnd()
        else {
            return nil
        }
        let number = bytes[...].prefix { $0 != 0x0a }.trimmed.decimal.flatMap { Int32(exactly: $0) }
        return number.flatMap { $0 > 0 ? PID($0) : nil }
    }
}
