import FoundationEssentials
import Glibc
import PolicyModel
import TestSupport
import Testing

/// The JSON Schema of policies, as another program sees it.
@Suite struct SchemaTests {
    private static let schema = BuiltPrograms.sources + "/policies/policy.schema.json"
    private static let python = "/usr/bin/python3"

    /// Validates every document of the files by the schema: a line `FILE: MESSAGE` for each that does not fit.
    private static let validator = """
        import sys, yaml, jsonschema
        with open(sys.argv[1]) as file:
            schema = yaml.safe_load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        for path in sys.argv[2:]:
            with open(path) as file:
                for document in yaml.safe_load_all(file):
                    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
                        print(path.split('/')[-1] + ': ' + '/'.join(map(str, error.absolute_path)))
        """

    static let hasValidator: Bool = {
        let probe = try? Command.run([
            python, "-c", "import yaml, jsonschema; jsonschema.Draft202012Validator",
        ])
        return probe?.ending == .exit(0)
    }()

    @Test func `the schema that is checked in is the one of this build`() throws {
        #expect(
            text(of: Self.schema) == (try PolicySchema.json()),
            "write it anew: crplan schema > policies/policy.schema.json")
    }

    @Test(.enabled(if: hasValidator, "needs python3-jsonschema and python3-yaml, see scripts/setup"))
    func `shipped policies and one with every key fit the schema`() throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let whole = directory + "/whole.yaml"
        try write(Self.everyKey, to: whole)
        #expect(throws: Never.self) { try PolicyLoader().load(paths: [whole]) }
        let shipped = names(in: BuiltPrograms.sources + "/policies").filter { $0.hasSuffix(".yaml") }.map {
            BuiltPrograms.sources + "/policies/" + $0
        }
        #expect(!shipped.isEmpty)
        let run = try Command.run([Self.python, "-c", Self.validator, Self.schema] + shipped + [whole])
        #expect(run.ending == .exit(0) && run.output.isEmpty, "\(run.output)")
    }

    @Test(.enabled(if: hasValidator, "needs python3-jsonschema and python3-yaml, see scripts/setup"))
    func `what the schema refuses the loader refuses at the same place`() throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let start = "version: 1\nname: x\nselect: [{exe: /a}]\n"
        let bad: [(text: String, place: String)] = [
            (start + "dumpp: {}\n", ""), ("version: 2\nname: x\nselect: [{exe: /a}]\n", "version"),
            (start + "tree: forest\n", "tree"), (start + "max-targets: 0\n", "max-targets"),
            (start + "dump: {timeout: 30}\n", "dump/timeout"),
            (start + "store: {min-free: 3 GiB}\n", "store/min-free"),
            (start + "allow: {stdio: [{on-restore: nowhere}]}\n", "allow/stdio/0/on-restore"),
            (start + "hooks: [{name: a}]\n", "hooks/0"), ("version: 1\nname: x\n", ""),
            ("version: 1\nname: x\nselect: [{exe: bin/a}]\n", "select/0/exe"),
        ]
        for (number, item) in bad.enumerated() {
            let path = "\(directory)/\(number).yaml"
            try write(item.text, to: path)
            #expect(throws: PolicyError.self, "\(item.text)") { try PolicyLoader().load(paths: [path]) }
            let run = try Command.run([Self.python, "-c", Self.validator, Self.schema, path])
            #expect(run.output.contains("\(number).yaml: \(item.place)\n"), "\(item.text) \(run.output)")
        }
    }

    private static let everyKey = """
        version: 1
        name: whole
        description: every key
        select:
          - {pid: 7, pidfile: /run/x, exe: "/opt/*", comm: "x*", cmdline: x, user: [a, 5], group: 7, cgroup: "/x/**"}
          - {systemd-unit: "*.service", env: {A: "b*"}, session: 9, tty: none, min-age: 5m, min-cpu-time: 1s}
          - {min-rss: 1MiB, max-rss: 3GiB, container: {runtime: podman, id: "x*", name: box}}
        except: [{comm: z}]
        tree: session
        max-targets: 7
        on-no-match: fail
        allow:
          shell-job: true
          ext-unix-sk: [{path: "/run/*", type: any, on-restore: close}]
          evasive-devices: ["1:3", /dev/null]
          link-remap: true
          ghost-limit: auto
          tcp-established: [{peer: 10.0.0.0/8, peer-port: [1, 2-3], local-port: 22, action: close}]
          tcp-in-flight: skip
          stdio: [{kind: tty, on-restore: "file:/x"}, {on-restore: null}]
          ext-pipes: null
          file-locks: any
          fsnotify: drop
          ext-mount-map: {/a: /b}
          veth: [{inner: eth0, outer: v, bridge: b}]
          external: ["dev[8/1]:data"]
        dump: {after: leave-running, filesystem: hook, established-tcp: allow, freeze-budget: 20ms, on-budget: warn,
               freeze-timeout: 3s, timeout: 1h, incremental: {full-every: 7}, compress: zstd, cgroups: full, network-lock: skip}
        hooks: [{name: h, at: frozen, argv: [/bin/true, x], timeout: 1s, on-error: skip}]
        action-scripts: [/bin/true]
        store: {path: /x, min-free: 0}
        retention: {keep-last: 3, keep-within: 7d, keep-hourly: 24, keep-daily: 7, keep-weekly: 4, keep-monthly: 1, max-total: 9GiB}
        schedule: {cron: "*/5 0-6 * jan mon", time-zone: UTC, jitter: 30s, catch-up: once, overlap: wait, kills: true}
        batch: {parallel: 4, retries: 2, backoff: 1m, keep-going: false}
        restore: {if-unlocked: close, pidfile: "/run/{target}", log-pid: true, pid-conflict: fail, detach: false,
                  inherit-fd: ["fd[3]:pipe[1]"]}

        """
}
