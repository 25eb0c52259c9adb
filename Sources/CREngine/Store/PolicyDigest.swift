import FoundationEssentials
package import PolicyModel

extension Policy {
    /// SHA-256 of the policy's values: the same for two files that say the same in other words or order of keys.
    package func digest() throws(StoreError) -> Digest {
        var values = self
        values.source = PolicySource()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try Digest.of(Array(try encoder.encode(values)))
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.failed, "policy \(name)", "cannot be encoded: \(error)")
        }
    }
}
