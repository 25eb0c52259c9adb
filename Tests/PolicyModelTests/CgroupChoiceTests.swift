import Testing

@testable import PolicyModel

@Suite struct CgroupChoiceTests {
    private func rules(_ text: String) throws -> CgroupPropertyRules {
        try CgroupPropertyRules(yaml: text, name: "props")
    }

    @Test func `CRIU's own form and the plain one say the same`() throws {
        let theirs = try rules(
            """
            "cpu":
              - "strategy": "replace"
              - "properties": ["cpu.shares", "cpu.cfs_quota_us"]
            """)
        let plain = try rules("cpu: {strategy: replace, properties: [cpu.shares, cpu.cfs_quota_us]}")
        #expect(theirs == plain)
        #expect(plain.files(of: "cpu", usual: ["cpu.weight"]) == ["cpu.shares", "cpu.cfs_quota_us"])
        #expect(plain.files(of: "pids", usual: ["pids.max"]) == ["pids.max"])
    }

    @Test func `files are merged unless they replace`() throws {
        let merged = try rules("pids: [{properties: [pids.max, pids.peak]}]")
        #expect(merged.files(of: "pids", usual: ["pids.max"]) == ["pids.max", "pids.peak"])
        #expect(try rules("pids: {strategy: replace}").files(of: "pids", usual: ["pids.max"]) == [])
    }

    @Test(
        arguments: [
            "cpu", "cpu: x", "cpu: [x]", "cpu: {strategy: other}", "cpu: {properties: [../x.y]}",
            "cpu: {properties: [cgroup.procs]}", "cpu: {properties: [release_agent]}", "cpu: {other: 1}",
            "cpu: {strategy: [}",
        ])
    func `what is no such rule is refused in one line`(_ text: String) {
        #expect {
            try rules(text)
        } throws: { error in
            let line = "\(error)"
            return line.hasPrefix("props") && !line.contains("\n")
        }
    }

    @Test func `a root is of its controller, or of all that have none`() throws {
        var choice = CgroupChoice()
        choice.roots = ["/all/", "pids:/mine"].compactMap { CgroupChoice.Root($0) }
        #expect(choice.root(ofHierarchy: "pids") == "/mine")
        #expect(choice.root(ofHierarchy: "cpu,cpuacct") == "/all")
        #expect(choice.root(ofHierarchy: "") == "/all")
        #expect(CgroupChoice.Root("mine") == nil && CgroupChoice.Root("pids:/a/../b") == nil)
    }
}
