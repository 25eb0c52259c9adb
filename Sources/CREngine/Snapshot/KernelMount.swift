import CPlatform

/// File systems of mounts that are in no mount table: the kernel's own, such as that of POSIX message queues.
enum KernelMount {
    /// MQUEUE_MAGIC of ipc/mqueue.c
    private static let messageQueues = 0x1980_0202

    /// Asks only for what can be a queue: a regular file in the root of a mount without a block device.
    static func fileSystem(of file: OpenFile) -> String? {
        guard let facts = file.facts, facts.type == .regular, facts.device.major == 0,
            file.link.hasPrefix("/"), !file.link.dropFirst().contains("/")
        else { return nil }
        // struct statfs, whose first word is the type.
        var status = [Int](repeating: 0, count: 15)
        let answer = "/proc/\(file.pid)/fd/\(file.fd)".withCString { path in
            status.withUnsafeMutableBytes {
                cp_syscall(
                    CP_SYS_statfs, Int(bitPattern: path), Int(bitPattern: $0.baseAddress), 0, 0, 0, 0)
            }
        }
        return answer == 0 && status[0] == messageQueues ? "mqueue" : nil
    }
}
