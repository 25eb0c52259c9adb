import Glibc
import TestSupport
import Testing

/// A subject in namespaces of its own, and the namespaces of mounts and network that crplan works in, the home: what a test
/// mounts and links is gone with this object.
///
/// Scripts are run by sh(1) in `run/` and find the directory above in `$D`, and a process of the home in `$HOME_PID`.
final class Box {
    let directory: String
    private let keeper: Int32
    /// 0 when it has ended, as its number may be another's then.
    private var wrapper: Int32 = 0
    /// Of the subject's tree.
    private(set) var root: Int32 = 0
    private let ownsPIDs: Bool
    /// In a user namespace, in which its ids are others.
    let isMapped: Bool

    var place: String { directory + "/run" }
    var status: String { text(of: place + "/status") ?? "" }
    /// What the tools that were cut have said.
    var log: String { text(of: directory + "/tool.log") ?? "" }
    private var entrance: [String] {
        ["/usr/bin/nsenter", "--mount=/proc/\(keeper)/ns/mnt", "--net=/proc/\(keeper)/ns/net"]
    }

    struct Refusal: Error { var text: String }

    /// For `inside`: `root/` becomes the root, with the host's programs, those of this build, `run/`, and `data/` from outside.
    static let pivoting = """
        mkdir -p ../root; mount --bind ../root ../root; cd ../root
        mkdir -p usr etc opt old proc tmp data dev; mount -t tmpfs -o size=4m t tmp
        mkdir -p .$D/run .\(BuiltPrograms.directory)
        for name in bin sbin lib lib64; do ln -s usr/$name $name; done
        mount --bind /usr usr; mount --bind /etc etc; mount --bind /opt opt; mount --bind ../data data; mount --bind ../run .$D/run
        mount --bind \(BuiltPrograms.directory) .\(BuiltPrograms.directory)
        mount -t proc proc proc
        for device in null:3 urandom:9; do
            name=dev/${device%:*}
            mknod $name c 1 ${device#*:} 2>/dev/null || { : > $name; mount --bind /$name $name; }
        done
        echo in > tmp/file
        pivot_root . old; umount -l /old; cd $D/run; exec </dev/null >/tmp/out 2>&1
        """
    /// What a policy says of the mounts that `pivoting` makes from outside, `data` at the restore being another directory.
    func pivotedMap(data: String = "data") -> String {
        let devices = isMapped ? ["/dev/null", "/dev/urandom"] : []
        let kept = (["/usr", "/etc", "/opt", place, BuiltPrograms.directory] + devices).map { "\($0): \($0)" }
        return "{/data: \(directory)/\(data), \(kept.joined(separator: ", "))}"
    }
    /// For `inside`: eth0 on a bridge br0 of the home, as `bridged` makes it there.
    static let linking = """
        ip link set lo up
        ip link add eth0 type veth peer name out0 netns /proc/$HOME_PID/ns/net
        nsenter --net=/proc/$HOME_PID/ns/net ip link set out0 master br0 up
        ip addr add 10.66.0.2/24 dev eth0; ip link set eth0 up
        """
    /// For `outside` and `inside`: the same by somebody of the home, as nobody in a user namespace may put a link there.
    static let linkingMapped = """
        mkdir ../root; chown 100000:100000 ../root
        (until [ -s born ]; do sleep 0.02; done
        ip link add out0 type veth peer name eth0 netns $(cat born); ip link set out0 master br0 up; : > linked) &
        """
    static let linkedMapped = """
        read pid rest < /proc/self/stat; echo $pid > born; until [ -e linked ]; do sleep 0.02; done; rm born
        ip link set lo up; ip addr add 10.66.0.2/24 dev eth0; ip link set eth0 up
        """
    static let bridged =
        "ip link add br0 type bridge; ip addr add 10.66.0.1/24 dev br0; ip link set br0 up; mkdir ../data"

    /// With a subject, whose words are given.
    convenience init(
        _ kinds: [String], outside: String = "", inside: String = "", subject: [String]
    ) throws {
        try self.init(
            kinds, outside: outside, inside: inside,
            program: "\(BuiltPrograms.subject) --status $D/run/status "
                + subject.map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
        ) { text(of: $0 + "/status")?.hasSuffix("\n") == true }
        guard status == "ready\n" else { throw Refusal(text: "the subject says: \(status)") }
    }

    /// `kinds`: options of unshare(1), of which `--user` maps ids from 0 to those from 100000. `outside` is run in the home,
    /// `inside` as the root of the tree before it becomes the program. `isReady` looks in `run/`.
    init(
        _ kinds: [String], outside: String = "", inside: String, program: String, isReady: (String) -> Bool
    ) throws {
        try becomeSubreaper()
        let place = try makeDirectory(in: "/tmp")
        directory = place
        let own = place + "/run"
        let setup = "export D=\(place)\nip link set lo up\n\(outside)\n: > ../ready\nexec sleep 600"
        keeper = try spawn(
            ["/usr/bin/unshare", "--mount", "--net", "--propagation", "private", "/bin/sh", "-ec", setup],
            log: place + "/keeper.log", directory: own)
        ownsPIDs = kinds.contains("--pid")
        isMapped = kinds.contains("--user")
        let isThere = poll(until: now() + 20) { text(of: place + "/ready") != nil }
        guard isThere else { throw Refusal(text: text(of: place + "/keeper.log") ?? "no keeper") }
        let script =
            "export D=\(place) HOME_PID=\(keeper)\ncd $D/run\nset -- \(program)\n\(inside)\nexec \"$@\""
        let maker =
            isMapped
            ? [BuiltPrograms.subject, "--mapped", "--kill-child"]
            : ["/usr/bin/unshare", "--fork", "--kill-child=SIGKILL"]
        // Without a pid namespace of its own a root leads its session.
        let session = ownsPIDs ? [] : ["/usr/bin/setsid"]
        wrapper = try spawn(
            entrance + maker + kinds + session + ["/bin/sh", "-ec", script],
            log: place + "/box.log", directory: own)
        let outer = wrapper
        let isUp = poll(until: now() + 60) { isReady(own) || statFields("/proc/\(outer)/stat").first == "Z" }
        guard isUp, let inner = processTree(of: wrapper).dropFirst().first else {
            throw Refusal(text: "it does not start: \(text(of: place + "/box.log") ?? "")")
        }
        root = inner
    }

    deinit {
        let left = root > 0 ? processTree(of: root) : []
        end(processTree(of: keeper) + (wrapper > 0 ? processTree(of: wrapper) : []) + left)
        remove(directory)
    }

    /// Runs a script in the home, which must not fail; its output.
    @discardableResult
    func expect(_ script: String) throws -> String {
        let run = try run(["/bin/sh", "-ec", "export D=\(directory)\ncd run\n\(script)"])
        guard run.ending == .exit(0) else { throw Refusal(text: "\(script): \(run.output)") }
        return run.output
    }

    /// What a tree and its tools may leave behind: mounts, links and packet filters of the home, groups and processes.
    func traces() throws -> [String] {
        let script = """
            cut -d' ' -f4- /proc/self/mountinfo
            ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/link \\1/'
            nft list ruleset
            find /sys/fs/cgroup -type d -name '*\(directory.split(separator: "-").last ?? "")*'
            """
        // Half restored trees that died are ours to wait for.
        for pid in processTree(of: getpid()) where pid != keeper && pid != wrapper && pid != root {
            if statFields("/proc/\(pid)/stat").first == "Z" { waitpid(pid, nil, WNOHANG) }
        }
        let ours = Set(processTree(of: getpid())).subtracting(processTree(of: root)).subtracting([wrapper])
        let processes = ours.compactMap { pid in
            text(of: "/proc/\(pid)/comm").map { "process \(trimmed($0))" }
        }
        return try expect(script).split(separator: "\n").map(String.init) + processes.sorted()
    }

    /// Runs a program in the home.
    func run(_ words: [String]) throws -> Command {
        try Command.run(entrance + ["/usr/bin/env", "-C", directory] + words, timeout: 120)
    }

    func crplan(_ words: [String]) throws -> Command { try run([BuiltPrograms.crplan] + words) }

    /// Writes the policy of this tree, with an `allow` in YAML's flow form.
    func policy(allow: String, more: [String] = []) throws -> String {
        let path = directory + "/policy.yaml"
        let lines =
            [
                "version: 1", "name: box", "select: [{pid: \(root)}]", "dump: {after: kill}",
                "store: {path: \(directory)/store}", "allow: \(allow)",
            ] + more
        try write(lines.joined(separator: "\n") + "\n", to: path)
        return path
    }

    /// What a plan in the home says.
    func plan(_ policy: String) throws -> PlannedFindings {
        try PlannedFindings(of: policy) { try crplan($0) }
    }

    /// Waits until nothing is left of a tree that was killed.
    func isGone(_ tree: [Int32]) -> Bool {
        let isGone = reap(tree + (wrapper > 0 ? [wrapper] : []), until: now() + 20)
        if isGone { wrapper = 0 }
        return isGone
    }

    /// The newest checkpoint. Not `latest`: who was killed after publishing has not moved that on.
    var newest: String? {
        let store = directory + "/store/box"
        let all = names(in: store).flatMap { target in
            names(in: "\(store)/\(target)").filter { $0.hasPrefix("20") }.map {
                (time: $0, path: "\(store)/\(target)/\($0)")
            }
        }
        return all.max { $0.time < $1.time }?.path
    }

    /// Brings the newest checkpoint back, by what the policy said of it.
    func restore(_ options: [String] = []) throws -> Command {
        guard let newest else { throw Refusal(text: "there is no checkpoint") }
        return try restored(["restore", newest] + options)
    }

    /// Ends what a restore has made, going by its pidfile.
    func endRestored() throws {
        if let pid = text(of: directory + "/pid").flatMap({ Int32(trimmed($0)) }) {
            end(processTree(of: pid))
        }
    }

    /// Runs crplan in the home and kills whoever of it stops at this point; false where nobody came by it.
    ///
    /// `look` is called before the kill.
    func kill(at point: String, _ words: [String], look: () -> Void = {}) throws -> Bool {
        let tree = Set(processTree(of: root))
        let pid = try spawn(
            entrance + ["/usr/bin/env", "CRPLAN_STOP_AT==\(point)", BuiltPrograms.crplan] + words,
            log: directory + "/tool.log", directory: "/")
        var stopped: Int32 = 0
        _ = poll(until: now() + 60) {
            // Its own stop, not one that it has put on others.
            stopped =
                processTree(of: pid).first {
                    !tree.contains($0) && statFields("/proc/\($0)/stat").first == "T"
                } ?? 0
            return stopped != 0 || statFields("/proc/\(pid)/stat").first.map { $0 == "Z" } ?? true
        }
        if stopped != 0 {
            look()
            _ = Glibc.kill(stopped, SIGKILL)
        }
        if wait(for: pid, until: now() + 60) == nil { end([pid]) }
        return stopped != 0
    }

    /// Runs a restore of any kind and takes the root that it makes.
    func restored(_ words: [String]) throws -> Command {
        let file = directory + "/pid"
        unlink(file)
        let command = try crplan(words + ["-d", "--pidfile", file])
        if let pid = text(of: file).flatMap({ Int32(trimmed($0)) }) { root = pid }
        return command
    }

    /// The subject's own verdict: its end and what it says.
    func verdict() throws -> (ending: Ending?, says: String) {
        try write("", to: place + "/status.check")
        let child = wrapper > 0 ? wrapper : root
        return (wait(for: child, until: now() + 60), status)
    }
}
