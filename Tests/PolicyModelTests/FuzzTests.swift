import PolicyModel
import Testing

/// Whatever a file holds, reading it ends with policies or with diagnostics.
@Suite struct FuzzTests {
    private static let seeds = [
        leastPolicy,
        """
        version: 1
        name: a
        select: &s
          - {exe: "/opt/*", user: [a, 5], cmdline: 'x+(y|z)?$', min-age: 5m, env: {A: "b*"}}
        except: *s
        dump: {after: leave-running, filesystem: copy, incremental: {full-every: 7}}
        schedule: {cron: "*/5 0-6 * jan mon", time-zone: UTC, jitter: 30s}
        store: {<<: {path: /x}, min-free: 3GiB}
        ---
        version: 1
        name: b
        description: |
          two
          lines
        select: [{pid: 7}]
        allow:
          tcp-established: [{peer: 10.0.0.0/8, peer-port: [1, 2-3], action: close}]
          evasive-devices: ["1:3", /dev/null]
          stdio: [{kind: tty, on-restore: "file:/x"}]
          ext-mount-map: {/a: /b}
        restore: {inherit-fd: ["fd[3]:pipe[1]"]}

        """,
    ]
    private static let splices = [
        "*", "&a ", "*a", "<<: *s\n", "\t", "\"", "'", "[", "]", "{", "}", ": ", "- ", "\n", "%", "@", "!",
        "!!str ", "|\n",
        "---\n", "# ", "\u{0}", "é", "🙂", "99999999999999999999", "-1", "0x1f", "1:2", "~", "? ", "&s [*s]",
        "\u{202E}",
    ]

    @Test func `thousands of damaged policies never crash the reader, and each fault has a message`() throws {
        var random = Random(state: 0x5eed)
        var bad = 0
        for round in 0..<4000 {
            var bytes = Array(Self.seeds[round % Self.seeds.count].utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) { Self.damage(&bytes, &random) }
            do throws(PolicyError) {
                _ = try PolicyLoader().load([PolicyFile(name: "f.yaml", bytes: bytes)])
            } catch {
                bad += 1
                #expect(!error.diagnostics.isEmpty)
                for diagnostic in error.diagnostics {
                    let text = diagnostic.render()
                    #expect(text.hasPrefix("f.yaml:") && text.contains(": error: "))
                    #expect(!text.unicodeScalars.contains { $0.value < 32 && $0 != "\n" && $0 != "\t" })
                }
            }
        }
        #expect(bad > 1000)
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout Random) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, place + Int.random(in: 0...8, using: &random))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes.removeSubrange(place..<end)
        case 1:
            bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        default:
            let splice = splices.randomElement(using: &random) ?? ""
            bytes.insert(contentsOf: Array(splice.utf8), at: place)
        }
    }

    /// The same inputs in each run (splitmix64).
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
            return mixed ^ mixed >> 31
        }
    }
}
