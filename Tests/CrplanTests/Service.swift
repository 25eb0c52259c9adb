import CREngine
import Glibc
import TestSupport

/// A server of Debian's archive on loopback, as a workload, and somebody outside who asks it.
///
/// Where `scripts/get-programs` put the servers is in CRPLAN_PROGRAMS.
struct Service: ~Copyable {
    static var programs: String? { getenv("CRPLAN_PROGRAMS").map { String(cString: $0) } }

    var load: Workload
    let port: UInt16

    static func make(timeout: Double = 150) throws -> Service {
        Service(load: try Workload(timeout: timeout), port: try freePort())
    }

    static func path(_ program: String) -> String { "\(programs ?? "")/bin/\(program)" }

    /// Waits until the server answers the text with something that the condition holds for.
    func answers(_ text: String, _ condition: (String) -> Bool) -> Bool {
        let port = port
        return load.await { condition(Service.ask(port, text)) }
    }

    func ask(_ text: String) -> String { Service.ask(port, text) }

    /// What a plan says of the server, as codes of what blocks.
    func blockers(_ name: String, allow: String = "") throws -> Set<String> {
        let policy = try writePolicy(name, allow: allow)
        let plan = try Command.run([BuiltPrograms.crplan, "plan", policy, "--format", "json"])
        let report = try Report.decoded(Array(plan.output.utf8), name: "plan")
        let run = report.runs.first
        let findings = (run?.plan?.targets.flatMap(\.findings) ?? []) + (run?.plan?.findings ?? [])
        return Set(findings.filter { $0.severity == .block }.map(\.code.rawValue))
    }

    /// Out and back by a policy with these allowances.
    mutating func cycle(_ name: String, allow: String = "") throws -> (out: Command, back: Command?) {
        let tree = processTree(of: load.root)
        let policy = try writePolicy(name, allow: allow)
        let out = try Command.run([BuiltPrograms.crplan, "apply", policy])
        guard out.ending == .exit(0) else { return (out, nil) }
        guard reap(tree, session: load.root, until: now() + 20) else { throw Errno.timedOut }
        return (out, try load.restore(name))
    }

    private func writePolicy(_ name: String, allow: String) throws -> String {
        let path = try load.writePolicy(name, pids: [load.root])
        if !allow.isEmpty { try write((text(of: path) ?? "") + "allow:\n  \(allow)\n", to: path) }
        return path
    }

    /// A port of loopback that nobody had a moment ago.
    private static func freePort() throws -> UInt16 {
        let fd = OwnedFD(taking: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd.rawValue, __CONST_SOCKADDR_ARG(__sockaddr__: $0), length) == 0
                    && getsockname(fd.rawValue, __SOCKADDR_ARG(__sockaddr__: $0), &length) == 0
            }
        }
        guard isBound else { throw Errno(rawValue: errno) }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    /// Connects, says the text, and reads until the other end closes or is quiet for a moment; empty where nobody listens.
    private static func ask(_ port: UInt16, _ text: String) -> String {
        let fd = OwnedFD(taking: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = loopback(port)
        let isThere = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                let length = socklen_t(MemoryLayout<sockaddr_in>.size)
                return connect(fd.rawValue, __CONST_SOCKADDR_ARG(__sockaddr__: $0), length) == 0
            }
        }
        guard isThere, (try? fd.writeAll(Array(text.utf8))) != nil else { return "" }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var watched = pollfd(fd: fd.rawValue, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, answer.isEmpty ? 5000 : 200) > 0 else { break }
            let count = read(fd.rawValue, &buffer, buffer.count)
            if count <= 0 { break }
            answer += buffer[..<count]
        }
        return String(decoding: answer, as: UTF8.self)
    }
}
