import PolicyModel

/// CRIU's numbers of what holds connections, as the inventory of an image set has them.
enum LockMethod {
    static let iptables: UInt32 = 0
    static let nftables: UInt32 = 1
    /// Whoever dumped sees to it.
    static let none: UInt32 = 2

    static func number(of lock: DumpSettings.NetworkLock) -> UInt32 {
        switch lock {
        case .nftables: nftables
        case .iptables: iptables
        case .skip: none
        }
    }
}
