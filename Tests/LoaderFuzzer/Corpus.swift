import Glibc

/// What the damage starts from.
enum Corpus {
    /// The files of a directory, or a file.
    static func read(_ path: String) -> [[UInt8]] {
        if let directory = opendir(path) {
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name.hasSuffix(".yaml") { names.append(name) }
            }
            return names.sorted().flatMap { read("\(path)/\($0)") }
        }
        guard let file = fopen(path, "r") else {
            print("loader-fuzzer: \(path): cannot be read")
            exit(1)
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        return [bytes]
    }

    /// One policy with every key, and small ones with the traps of YAML.
    static let builtIn: [[UInt8]] = [
        """
        version: 1
        name: a
        description: |
          two
          lines
        select: &s
          - {exe: "/opt/*", user: [a, 5], group: staff, cmdline: 'x+(y|z)?$', env: {A: "b*"}, cgroup: "/x/**"}
          - {pid: 7, pidfile: /run/x, comm: "x[a-c]", systemd-unit: "*.service", session: 9, tty: none}
          - {min-age: 5m, min-cpu-time: 1s, min-rss: 1MiB, max-rss: 3GiB, container: {runtime: podman, id: "x*"}}
        except: *s
        tree: session
        max-targets: 7
        on-no-match: fail
        allow:
          shell-job: true
          ext-unix-sk: [{path: "/run/*", type: any, on-restore: close}]
          evasive-devices: ["1:3", /dev/null]
          link-remap: true
          ghost-limit: 3MiB
          tcp-established: [{peer: 10.0.0.0/8, peer-port: [1, 2-3], local-port: 22, action: close}]
          tcp-in-flight: skip
          stdio: [{kind: tty, on-restore: "file:/x"}, {on-restore: null}]
          ext-pipes: inherit
          file-locks: any
          fsnotify: drop
          ext-mount-map: {/a: /b}
          veth: [{inner: eth0, outer: v, bridge: b}]
          external: ["dev[8/1]:data"]
        dump:
          after: leave-running
          filesystem: hook
          established-tcp: allow
          freeze-budget: 20ms
          on-budget: warn
          freeze-timeout: 3s
          timeout: 1h
          incremental: {full-every: 7}
          compress: zstd
          cgroups: full
          network-lock: skip
        hooks: [{name: h, at: frozen, argv: [/bin/true, x], timeout: 1s, on-error: skip}]
        action-scripts: [/bin/true]
        store: {path: /x, min-free: 3GiB}
        retention: {keep-last: 3, keep-within: 7d, keep-hourly: 24, keep-daily: 7, keep-weekly: 4, max-total: 9GiB}
        schedule: {cron: "*/5 0-6 * jan mon", time-zone: UTC, jitter: 30s, catch-up: once, overlap: wait, kills: true}
        batch: {parallel: 4, retries: 2, backoff: 1m, keep-going: false}
        restore: {if-unlocked: close, pidfile: "/run/{target}", log-pid: true, inherit-fd: ["fd[3]:pipe[1]"]}

        """,
        "version: 1\nname: x\nselect: [{exe: /a}]\n",
        """
        version: 1
        name: b
        select: [{<<: [{comm: a}, {comm: b}], user: root}]
        store: {<<: {path: /x}, min-free: 0}
        ---
        version: 1
        name: c
        select: &x
        - ? comm
          : &y "solver"
        - comm: *y
        schedule: {every: 6h, kills: true}
        ...
        # end
        """,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c, *c]\n",
        "%YAML 1.1\n---\nversion: !!str 1\nname: 'it''s'\nselect: >-\n  folded\n  text\n",
    ].map { Array($0.utf8) }

    /// Pieces that mean something to YAML or to a policy.
    static let pieces: [[UInt8]] = [
        "*", "&a ", "*a", "<<: *s\n", "\t", "\"", "'", "[", "]", "{", "}", ": ", "- ", "\n", "%", "@", "!",
        "!!str ",
        "|\n", "---\n", "...\n", "# ", "\u{0}", "é", "🙂", "99999999999999999999", "-1", "0x1f", "1:2", "~",
        "? ",
        "&s [*s]", "\u{202E}", "\u{FEFF}", "\u{85}", "\\", "\\x00", ">\n", "%TAG ! x\n", "select:\n",
        "cmdline: '(((('",
        "(a|b)*", "[^\\d]{3,9}", "(?<x>a)\\1", "{1,1000}", "**/", "[!a-z]", "0", "null", "true", "1e9",
        "* * * * *",
        "10.0.0.0/33", "::1/128", "1-65535", "9999d", "9GiB", "file:/", "<<: ", "- - - - ", "[[[[[[[[",
        "{a: {a: ",
    ].map { Array($0.utf8) }
}
