import Testing

@testable import PolicyModel

@Suite struct EffectivePolicyTests {
    private func rows(_ more: String) throws -> [String: EffectivePolicy.Row] {
        let rows = EffectivePolicy(try loadOne(leastPolicy + more)).rows
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.key, $0) })
    }

    @Test func `each value tells its line, and each default that it is one`() throws {
        let rows = try rows("dump: {timeout: 1h}\n")
        #expect(rows["dump.timeout"]?.value == "1h")
        #expect(rows["dump.timeout"]?.mark == SourceMark(file: "p.yaml", line: 4, column: 17))
        #expect(rows["dump.after"] == EffectivePolicy.Row(key: "dump.after", value: "kill", mark: nil))
        #expect(rows["dump.filesystem"] == EffectivePolicy.Row(key: "dump.filesystem", value: nil, mark: nil))
        #expect(rows["dump.incremental"]?.value == nil && rows["dump.incremental.full-every"] == nil)
    }

    @Test func `every key of the language has its row, whether it is set or not`() throws {
        let rows = try rows("")
        func check(_ keys: [KeyDescription], _ parent: String) {
            for key in keys where key.name != "select" {
                let path = parent + key.name
                if case .section(let inner) = key.shape, !inner.contains(where: \.isRequired) {
                    check(inner, path + ".")
                } else {
                    #expect(rows[path] != nil, "\(path)")
                }
            }
        }
        check(Policy.keys, "")
        #expect(rows["select[0].exe"]?.value == "/a")
        #expect(rows["select[0].comm"] == nil)
    }

    @Test func `lists, maps and rules are told value by value, whole and with the line of an anchor`() throws
    {
        let long = String(repeating: "x", count: 200)
        let rows = try rows(
            """
            except: [{user: &people [ada, 7], env: {A.B: "1*"}}, {user: *people, cmdline: \(long)}]
            allow: {ext-unix-sk: true, stdio: [{on-restore: inherit}], evasive-devices: [/dev/x]}

            """)
        #expect(rows["except[0].user"]?.value == "[ada, 7]")
        #expect(rows["except[1].user"]?.value == "[ada, 7]")
        #expect(rows["except[1].user"]?.mark?.column == rows["except[0].user"]?.mark?.column)
        #expect(rows["except[0].env.A.B"]?.value == "\"1*\"")
        #expect(rows["except[1].cmdline"]?.value == long)
        #expect(rows["allow.ext-unix-sk"]?.value == "true")
        #expect(rows["allow.stdio[0].on-restore"]?.value == "inherit")
        #expect(rows["allow.stdio[0].kind"]?.value == "any" && rows["allow.stdio[0].kind"]?.mark == nil)
        #expect(rows["allow.evasive-devices"]?.value == "[/dev/x]")
    }
}
