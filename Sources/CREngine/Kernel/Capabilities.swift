import CPlatform
import Glibc

/// The effective capabilities of this process, through libcap. See capabilities(7).
package struct Capabilities: Sendable, Equatable {
    /// Names as in capabilities(7), `CAP_SYS_PTRACE`.
    package let names: Set<String>

    package init(names: Set<String>) { self.names = names }

    /// Throws what libcap says. See cap_get_proc(3).
    package static func ofThisProcess() throws(Errno) -> Capabilities {
        guard let state = cap_get_proc() else { throw Errno(rawValue: errno) }
        defer { cap_free(UnsafeMutableRawPointer(state)) }
        var names: Set<String> = []
        for number in 0..<cap_max_bits() {
            var value = CAP_CLEAR
            guard cap_get_flag(state, number, CAP_EFFECTIVE, &value) == 0, value == CAP_SET,
                let name = cap_to_name(number)
            else { continue }
            names.insert(String(cString: name).uppercased())
            cap_free(name)
        }
        return Capabilities(names: names)
    }

    /// Those of a list that are not held. CAP_SYS_ADMIN holds CAP_CHECKPOINT_RESTORE too.
    package func missing(of wanted: [String]) -> [String] {
        wanted.filter { name in
            if names.contains(name) { return false }
            return !(name == "CAP_CHECKPOINT_RESTORE" && names.contains("CAP_SYS_ADMIN"))
        }
    }

    /// To look at processes of others: their /proc, their descriptors, their memory.
    package static let toScan = ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]
    /// To freeze, read and kill them.
    package static let toDump = toScan + ["CAP_CHECKPOINT_RESTORE", "CAP_KILL", "CAP_DAC_OVERRIDE"]
    /// To make tasks with ids, credentials and clocks as they were.
    package static let toRestore = [
        "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE", "CAP_SYS_PTRACE", "CAP_SETUID", "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER", "CAP_KILL",
    ]
}
