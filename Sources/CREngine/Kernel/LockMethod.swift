/// CRIU's numbers of what holds connections, as the inventory of an image set has them.
enum LockMethod {
    static let iptables: UInt32 = 0
    static let nftables: UInt32 = 1
    /// Whoever dumped sees to it.
    static let none: UInt32 = 2
}
