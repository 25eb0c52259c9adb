import CPlatform

// Each option of a request as a word of the command line, so that it means what it means there, and one that is not there
// yet is refused by its name. CRIU takes any option with either command; one that says nothing to a command is left out of it.

extension RPCOptions {
    private enum Command {
        case both, dump, restore
    }

    private mutating func add(_ command: Command, _ words: String...) {
        if command != .restore { dumpWords += words }
        if command != .dump { restoreWords += words }
    }

    private mutating func flag(_ command: Command, _ value: protobuf_c_boolean, _ word: String) {
        if value != 0 { add(command, word) }
    }

    private mutating func option(
        _ command: Command, _ string: UnsafePointer<CChar>?, _ word: String
    ) throws(RPCRefusal) {
        guard let value = try Self.text(string, word) else { return }
        add(command, "\(word)=\(value)")
    }

    private mutating func list(
        _ command: Command, _ strings: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int,
        _ word: String
    ) throws(RPCRefusal) {
        for value in try Self.texts(strings, count, word) { add(command, "\(word)=\(value)") }
    }

    mutating func addWords(_ message: CriuOpts) throws(RPCRefusal) {
        addFlags(message)
        try addTexts(message)
        try addResources(message)
        try addNumbers(message)
    }

    private mutating func addFlags(_ message: CriuOpts) {
        flag(.dump, message.leave_running, "--leave-running")
        flag(.both, message.leave_stopped, "--leave-stopped")
        flag(.restore, message.rst_sibling, "--restore-sibling")
        flag(.both, message.tcp_established, "--tcp-established")
        flag(.both, message.tcp_close, "--tcp-close")
        flag(.dump, message.tcp_skip_in_flight, "--skip-in-flight")
        flag(.dump, message.evasive_devices, "--evasive-devices")
        flag(.both, message.shell_job, "--shell-job")
        flag(.both, message.orphan_pts_master, "--orphan-pts-master")
        flag(.both, message.file_locks, "--file-locks")
        flag(.dump, message.link_remap, "--link-remap")
        flag(.dump, message.force_irmap, "--force-irmap")
        flag(.dump, message.track_mem, "--track-mem")
        flag(.both, message.auto_dedup, "--auto-dedup")
        if message.auto_ext_mnt != 0 { add(.both, "--ext-mount-map=auto") }
        flag(.both, message.ext_sharing, "--enable-external-sharing")
        flag(.both, message.ext_masters, "--enable-external-masters")
        flag(.restore, message.weak_sysctls, "--weak-sysctls")
        flag(.both, message.lazy_pages, "--lazy-pages")
        flag(.restore, message.mntns_compat_mode, "--mntns-compat-mode")
        flag(.restore, message.skip_file_rwx_check, "--skip-file-rwx-check")
        flag(.both, message.unprivileged, "--unprivileged")
        flag(.both, message.display_stats, "--display-stats")
        flag(.both, message.tls, "--tls")
    }

    private mutating func addTexts(_ message: CriuOpts) throws(RPCRefusal) {
        try option(.both, message.root, "--root")
        try option(.dump, message.parent_img, "--prev-images-dir")
        try list(.both, message.skip_mnt, message.n_skip_mnt, "--skip-mnt")
        try list(.dump, message.enable_fs, message.n_enable_fs, "--enable-fs")
        try list(.dump, message.irmap_scan_paths, message.n_irmap_scan_paths, "--irmap-scan-path")
        try list(.both, message.external, message.n_external, "--external")
        try option(.dump, message.cgroup_props, "--cgroup-props")
        try option(.dump, message.cgroup_props_file, "--cgroup-props-file")
        try list(
            .dump, message.cgroup_dump_controller, message.n_cgroup_dump_controller,
            "--cgroup-dump-controller")
        try option(.dump, message.freeze_cgroup, "--freeze-cgroup")
        try option(.both, message.cgroup_yard, "--cgroup-yard")
        try option(.both, message.lsm_profile, "--lsm-profile")
        try option(.restore, message.lsm_mount_context, "--lsm-mount-context")
    }

    /// What an entry of several fields says.
    private mutating func addResources(_ message: CriuOpts) throws(RPCRefusal) {
        if message.ext_unix_sk != 0 {
            add(.both, "--ext-unix-sk")
            for place in 0..<message.n_unix_sk_ino {
                guard let entry = message.unix_sk_ino?[place] else { continue }
                add(.dump, "--ext-unix-sk=\(entry.pointee.inode)")
            }
        }
        for place in 0..<message.n_veths {
            guard let entry = message.veths?[place]?.pointee else { continue }
            let (inner, outer) = (try Self.text(entry.if_in, "veths"), try Self.text(entry.if_out, "veths"))
            add(.both, "--external=veth[\(inner ?? "")]:\(outer ?? "")")
        }
        for place in 0..<message.n_ext_mnt {
            guard let entry = message.ext_mnt?[place]?.pointee else { continue }
            let (key, value) = (try Self.text(entry.key, "ext_mnt"), try Self.text(entry.val, "ext_mnt"))
            add(.both, "--external=mnt[\(key ?? "")]:\(value ?? "")")
        }
        for place in 0..<message.n_cg_root {
            guard let entry = message.cg_root?[place]?.pointee else { continue }
            let path = try Self.text(entry.path, "cg_root") ?? ""
            // An empty controller is the unified hierarchy, and none is all of them.
            let controller = entry.ctrl.map { String(cString: $0) + ":" } ?? ""
            add(.both, "--cgroup-root=\(controller)\(path)")
        }
        for place in 0..<message.n_inherit_fd {
            guard let entry = message.inherit_fd?[place]?.pointee else { continue }
            let key = try Self.text(entry.key, "inherit_fd") ?? ""
            add(.restore, "--inherit-fd=fd[\(entry.fd)]:\(key)")
        }
        for place in 0..<message.n_join_ns {
            guard let entry = message.join_ns?[place]?.pointee else { continue }
            let extra = try Self.text(entry.extra_opt, "join_ns").map { ",\($0)" } ?? ""
            let (kind, file) = (try Self.text(entry.ns, "join_ns"), try Self.text(entry.ns_file, "join_ns"))
            add(.restore, "--join-ns=\(kind ?? ""):\(file ?? "")\(extra)")
        }
        if message.ps != nil { add(.both, "--page-server") }
    }

    private mutating func addNumbers(_ message: CriuOpts) throws(RPCRefusal) {
        if message.has_log_level != 0 { add(.both, "--verbosity=\(max(0, min(message.log_level, 4)))") }
        if message.has_ghost_limit != 0 { add(.dump, "--ghost-limit=\(message.ghost_limit)") }
        if message.has_timeout != 0, message.timeout > 0 { add(.both, "--timeout=\(message.timeout)") }
        if message.has_status_fd != 0, message.status_fd >= 0 {
            add(.both, "--status-fd=\(message.status_fd)")
        }
        if message.has_empty_ns != 0, message.empty_ns != 0 {
            let network: UInt32 = 0x4000_0000
            guard message.empty_ns == network else {
                throw .options(
                    "empty_ns 0x\(String(message.empty_ns, radix: 16)): only a network can be empty")
            }
            add(.both, "--empty-ns=net")
        }
        if message.has_cpu_cap != 0 {
            let names = [(1, "fpu"), (2, "cpu"), (4, "ins")].filter { message.cpu_cap & $0.0 != 0 }.map(\.1)
            processorCheck = names.isEmpty ? "none" : names.joined(separator: ",")
            add(.both, "--cpu-cap=\(processorCheck)")
        }
        let modes = ["ignore", "none", "props", "soft", "full", "strict", "soft"]
        if message.has_manage_cgroups_mode != 0 {
            let mode = Int(message.manage_cgroups_mode.rawValue)
            guard modes.indices.contains(mode) else {
                throw .options("manage_cgroups_mode \(mode): there is no such mode")
            }
            add(.both, "--manage-cgroups=\(modes[mode])")
        } else if message.has_manage_cgroups != 0 {
            add(.both, "--manage-cgroups=\(message.manage_cgroups != 0 ? "soft" : "ignore")")
        }
        if message.has_network_lock != 0 {
            let methods = [1: "iptables", 2: "nftables", 3: "skip"]
            guard let method = methods[Int(message.network_lock.rawValue)] else {
                throw .options("network_lock \(message.network_lock.rawValue): there is no such method")
            }
            add(.dump, "--network-lock=\(method)")
        }
    }
}
