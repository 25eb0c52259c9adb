/// A descriptor for a restore, in criu's spelling of --inherit-fd: `fd[5]:pipe[1234]`, `fd[0]:tty[8803:17]`.
struct GivenDescriptor {
    var fd: Int32
    /// The name by which the image knows what it stands for.
    var resource: String

    /// Nil for another spelling.
    init?(_ text: String) {
        guard text.hasPrefix("fd["), let close = text.firstIndex(of: "]"),
            let fd = Int32(text[text.index(text.startIndex, offsetBy: 3)..<close]), fd >= 0
        else { return nil }
        let rest = text[text.index(after: close)...]
        guard rest.hasPrefix(":"), rest.count > 1 else { return nil }
        self.fd = fd
        let name = String(rest.dropFirst())
        // As the language of policies has it, and as the kernel does.
        for kind in ["pipe", "socket"] where name.hasPrefix("\(kind)[") {
            resource = "\(kind):" + name.dropFirst(kind.count); return
        }
        resource = name.hasPrefix("/") && !name.hasPrefix("/memfd:") ? String(name.dropFirst()) : name
    }
}
