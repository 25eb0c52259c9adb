import FoundationEssentials
import Testing

@testable import PolicyModel

/// Every policy that comes with the product is good.
@Suite struct ShippedPoliciesTests {
    private static let directory = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "policies").path

    @Test func `every file in policies loads, and together`() throws {
        let policies = try PolicyLoader().load(paths: [Self.directory])
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.directory).filter {
            $0.hasSuffix(".yaml")
        }
        #expect(files.count >= 2)
        #expect(Set(policies.map(\.source.file)).count == files.count)
    }

    @Test
    func `a policy is in the file of its name, describes itself, and asks for nothing that is not there yet`()
        throws
    {
        for policy in try PolicyLoader().load(paths: [Self.directory]) {
            #expect(policy.source.file.hasSuffix("/\(policy.name).yaml"))
            #expect(!policy.description.isEmpty)
            #expect(policy.unsupportedKeys().isEmpty)
        }
    }
}
