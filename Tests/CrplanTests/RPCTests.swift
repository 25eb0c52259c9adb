import Glibc
import TestSupport
import Testing

/// CRIU's RPC: what a client of `criu swrk` and `criu service` sends and gets, byte by byte.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct RPCTests {
    private static let cases = [
        "no-request", "no-message", "other-kinds", "version", "keep-open", "features", "check", "wait",
        "refused-options", "missing-options", "missing-requests", "configuration", "processor",
        "refused-stages",
        "dump-and-restore", "sibling", "program", "taken", "gone", "externals", "inherited", "service",
        "client-dies", "namespaces", "join", "orphan-terminal", "orphan-refused",
    ]

    @Test(arguments: cases)
    func `a client of the RPC gets what criu gives it`(_ name: String) throws {
        try run(name, face: nil)
    }

    /// The same with a stock criu as far as it has the same answers: the tests are right only if it passes them.
    @Test(
        .enabled(if: getenv("CRPLAN_CRIU") != nil, "CRPLAN_CRIU names no stock criu (scripts/get-criu)"),
        arguments: [
            "no-request", "no-message", "other-kinds", "version", "keep-open", "check", "wait", "processor",
            "refused-stages", "dump-and-restore", "sibling", "program", "taken", "gone", "join",
            "orphan-terminal",
        ])
    func `a stock criu passes the same test`(_ name: String) throws {
        try run(name, face: getenv("CRPLAN_CRIU").map { String(cString: $0) })
    }

    @Test func `the face of criu says its version`() throws {
        let version = try Command.run([BuiltPrograms.crplan, "criu", "--version"])
        #expect(version.ending == .exit(0))
        #expect(version.output.hasPrefix("Version: 4."))
    }

    private func run(_ name: String, face: String?) throws {
        let directory = try makeDirectory(in: "/tmp")
        defer { remove(directory) }
        let link = directory + "/criu"
        symlink(face ?? BuiltPrograms.crplan, link)
        let run = try Command.run(
            [
                "/usr/bin/python3", "-c", RPCClient.program, link, directory, name,
                face == nil ? "own" : "stock",
            ],
            timeout: 120)
        #expect(run.ending == .exit(0), "\(run.output)")
    }
}
