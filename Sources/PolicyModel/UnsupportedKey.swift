/// A key that a policy sets to something else than its default and that this build does not act on yet.
package struct UnsupportedKey: Sendable, Equatable, Codable {
    /// `dump.after`, `select[0].tty`
    package let keyPath: String
    /// Nil for a policy that was not read from a file.
    package let mark: SourceMark?
    /// The value as written, on one line; empty for a policy that was not read from a file.
    package let text: String
}

extension Policy {
    /// What this policy asks for and would not get: each is to block a plan by its name. In the order of the language.
    package func unsupportedKeys() -> [UnsupportedKey] {
        PolicyKeys.policy.unsupported(self, "").map {
            UnsupportedKey(
                keyPath: $0, mark: mark($0), text: String(source.entries[$0]?.text.prefix(80) ?? ""))
        }
    }

    /// All keys of the policy language, from the tables that the decoder reads by.
    package static var keys: [KeyDescription] { PolicyKeys.policy.descriptions }

    /// The keys below `allow`, in the order of the language.
    package static var allowanceKeys: [String] { AllowanceKeys.allow.descriptions.map(\.name) }
}
