/// Options of `criu dump` and `criu restore`, to tell one that is to come from a slip of the pen.
enum CRIUOption {
    /// The option that a parser's message calls unknown, where CRIU has it.
    static func unknown(in message: String) -> String? {
        let start = "Unknown option '"
        guard message.hasPrefix(start) else { return nil }
        let word = message.dropFirst(start.count).prefix { $0 != "'" && $0 != "=" }
        return all.contains(String(word.drop { $0 == "-" })) ? String(word) : nil
    }

    private static let all: Set<String> = [
        "r", "root", "x", "ext-unix-sk",
        "l", "file-locks", "action-script", "M", "ext-mount-map",
        "manage-cgroups", "freeze-cgroup", "prev-images-dir",
        "track-mem", "auto-dedup", "enable-fs", "force-irmap", "irmap-scan-path", "cpu-cap",
        "exec-cmd", "page-server", "address", "port", "lazy-pages", "status-fd", "pre-dump-mode",
        "stream", "tls", "lsm-profile", "lsm-mount-context", "weak-sysctls", "unprivileged",
        "mntns-compat-mode", "ghost-fiemap", "ghost-limit", "config", "no-default-config", "display-stats",
        "L", "libdir", "allow-uprobes", "ps-socket", "enable-external-sharing", "enable-external-masters",
        "skip-mnt", "skip-file-rwx-check", "file-validation", "timeout", "pidfile", "restore-sibling",
        "restore-detached", "leave-stopped", "leave-running", "parent-path", "export-env",
    ]
}
