import PolicyModel

/// The least policy that works; tests add lines to it.
let leastPolicy = "version: 1\nname: x\nselect: [{exe: /a}]\n"

/// The policies of one file that is called p.yaml.
func load(_ text: String) throws(PolicyError) -> [Policy] {
    try PolicyLoader().load([PolicyFile(name: "p.yaml", bytes: Array(text.utf8))])
}

/// The only policy of a text.
func loadOne(_ text: String) throws -> Policy {
    let policies = try load(text)
    guard let policy = policies.first, policies.count == 1 else { throw NotOnePolicy(count: policies.count) }
    return policy
}

/// A text held another number of policies than one.
struct NotOnePolicy: Error {
    var count: Int
}

/// What an operator sees of a text that is wrong; empty for a good one.
func faults(_ text: String) -> String {
    do throws(PolicyError) {
        _ = try load(text)
        return ""
    } catch {
        return error.render()
    }
}
