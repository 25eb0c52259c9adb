import CREngine
import Glibc
import TestSupport
import Testing

/// The programs of this build, which lie beside the test program.
enum BuiltPrograms {
    /// The directory of the build's products.
    static var directory: String {
        let own = link(at: "/proc/self/exe") ?? ""
        return own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    }

    static var crplan: String { directory + "/crplan" }
    static var subject: String { directory + "/subject" }
    static var subjectRunner: String { directory + "/subject-runner" }

    /// The top directory of the sources.
    static var sources: String { #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() }

    /// Whether this crplan has these subcommands, by what their help says.
    static func crplanHas(_ subcommands: String...) -> Bool {
        subcommands.allSatisfy { name in
            guard let answer = try? Command.run([crplan, name, "--help"], timeout: 20) else { return false }
            return answer.ending == .exit(0) && answer.output.contains("crplan \(name)")
        }
    }

    /// A debug build has fault points, and calls that can be told to fail.
    static var isDebugBuild: Bool {
        #if DEBUG
            true
        #else
            false
        #endif
    }

    /// Whether `scripts/test --long` asked for the long loops.
    static var wantsLongTests: Bool { getenv("CRPLAN_LONG_TESTS") != nil }

    /// Debian's python3-jsonschema, which checks reports and policies against their schemas.
    static var hasSchemaValidator: Bool {
        (try? Command.run(["/usr/bin/python3", "-c", "import jsonschema"]))?.ending == .exit(0)
    }

    /// Root, and a crplan that can dump and restore: what the tests of whole programs need.
    static var canCheckpoint: Bool { geteuid() == 0 && crplanHas("dump", "restore") }
    /// The same through policies.
    static var canApply: Bool { canCheckpoint && crplanHas("apply") }
}

/// One program run to its end.
struct Command {
    let ending: Ending
    /// What it wrote to standard output and standard error.
    let output: String

    /// Runs a program with nothing on its standard input.
    ///
    /// - Throws: `Errno.timedOut` when it does not end in time; it is killed then.
    static func run(_ words: [String], in directory: String = "/", timeout: Double = 60) throws(Errno)
        -> Command
    {
        let own = try makeDirectory(in: "/tmp")
        defer { remove(own) }
        let pid = try spawn(words, log: own + "/output", directory: directory)
        guard let ending = wait(for: pid, until: now() + timeout) else {
            end(processTree(of: pid))
            throw .timedOut
        }
        return Command(ending: ending, output: text(of: own + "/output") ?? "")
    }
}
