/// The memory policy of one mapping, where it is not the default. See numa(7), /proc/PID/numa_maps.
package struct NodePolicy: Equatable, Sendable {
    /// Start of the mapping.
    package var start: UInt64
    /// As the kernel writes it: `bind:0-1`, `interleave:0,2`, `prefer:1`, `local`.
    package var policy: String
    /// Of set_mempolicy_home_node(2); numa_maps does not tell it.
    package var homeNode: UInt32?

    package init(start: UInt64, policy: String, homeNode: UInt32? = nil) {
        self.start = start
        self.policy = policy
        self.homeNode = homeNode
    }

    /// Rows of numa_maps other than those of the default policy, by address.
    package static func parse(_ bytes: [UInt8]) throws(ProcFormatError) -> [NodePolicy] {
        var found: [NodePolicy] = []
        for line in bytes.lines where !line.isEmpty {
            let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
            guard words.count >= 2, let start = words[0].hexadecimal else {
                throw ProcFormatError(file: "numa_maps", detail: line.text)
            }
            let policy = words[1].text
            if policy != "default" { found.append(NodePolicy(start: start, policy: policy)) }
        }
        return found
    }
}
