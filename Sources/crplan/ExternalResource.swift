/// criu's spellings of --external, and `pipe:[INODE]` for a pipe whose far end is outside, which criu asks nobody about.
enum ExternalResource {
    /// Those that this build acts on.
    private static let kinds = ["tty", "file", "unix", "pipe:"]
    private static let later = ["dev", "mnt", "veth", "macvlan", "netdev", "net", "pid"]

    static func isKnown(_ text: String) -> Bool {
        kinds.contains { text.hasPrefix("\($0)[") && text.contains("]") }
    }

    /// Why it is not taken, as the end of a sentence.
    static func refusal(_ text: String) -> String {
        later.contains { text.hasPrefix("\($0)[") } ? "is not there yet" : "is none of criu's spellings"
    }
}
