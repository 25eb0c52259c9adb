/// Where dumps of several trees that belong together wait for each other, in this order.
package enum DumpStage: UInt8, CaseIterable, Sendable {
    /// The tree stands still, and what is frozen fits the policy.
    case frozen = 1
    /// All that is read of the tree has been read.
    case copied
    /// The images are complete and synced.
    case written
    /// The checkpoint has its name.
    case published
}
