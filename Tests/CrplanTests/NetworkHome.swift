import Glibc
import TestSupport
import Testing

/// A network namespace where crplan and a bridge are, and trees whose namespaces hang on that bridge. What a test makes of links
/// is gone with this value.
struct NetworkHome: ~Copyable {
    let directory: String
    private let keeper: Int32
    private var started: [Int32] = []

    init() throws {
        try becomeSubreaper()
        let setup = """
            ip link set lo up
            ip link add br0 type bridge
            ip addr add 198.51.100.1/24 dev br0
            ip link set br0 up
            : > ready
            exec sleep 600
            """
        let place = try makeDirectory(in: "/tmp")
        keeper = try spawn(
            ["/usr/bin/unshare", "--net", "/bin/sh", "-ec", setup], log: place + "/keeper.log",
            directory: place)
        directory = place
        #expect(
            poll(until: now() + 20) { TestSupport.text(of: place + "/ready") != nil }, "\(text("keeper.log"))"
        )
    }

    deinit {
        end(started + [keeper])
        remove(directory)
    }

    struct Refusal: Error { var text: String }

    private var entrance: [String] { ["/usr/bin/nsenter", "--net=/proc/\(keeper)/ns/net"] }

    /// Runs a program in the home.
    func run(_ words: [String]) throws -> Command { try Command.run(entrance + words, timeout: 60) }

    /// Runs a script of sh(1), which must not fail; its output.
    @discardableResult
    func expect(_ script: String) throws -> String {
        let run = try run(["/bin/sh", "-ec", script])
        guard run.ending == .exit(0) else { throw Refusal(text: "\(script): \(run.output)") }
        return run.output
    }

    func crplan(_ words: [String]) throws -> Command { try run([BuiltPrograms.crplan] + words) }

    /// Starts a tree in a namespace of its own, with eth0 on the bridge of the home. `end` names the outer end.
    mutating func start(_ words: [String], address: String, end: String, log: String) throws -> Int32 {
        let setup = """
            ip link set lo up
            ip link add eth0 type veth peer name \(end) netns /proc/\(keeper)/ns/net
            nsenter --net=/proc/\(keeper)/ns/net ip link set \(end) master br0 up
            ip addr add \(address)/24 dev eth0
            ip link set eth0 up
            exec "$@"
            """
        let pid = try spawn(
            entrance + ["/usr/bin/unshare", "--net", "/bin/sh", "-ec", setup, "sh"] + words,
            log: "\(directory)/\(log)", directory: directory)
        started.append(pid)
        return pid
    }

    /// Names of all links of the home.
    func links() throws -> Set<String> {
        let lines = try expect("ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\\1/'")
        return Set(lines.split(separator: "\n").map(String.init))
    }

    func text(_ name: String) -> String { TestSupport.text(of: "\(directory)/\(name)") ?? "" }
}
