/// Where checkpoints go: the `store` section.
package struct StoreSettings: Sendable, Equatable, Codable {
    /// An absolute path.
    package var path = "/var/lib/crplan"
    /// What must stay free on its file system, checked before anything is frozen.
    package var minFree = ByteCount(0)

    package init() {}
}

/// Which checkpoints stay: the union of the keep rules. None set: all stay.
package struct RetentionSettings: Sendable, Equatable, Codable {
    package var keepLast: Int?
    package var keepWithin: Duration?
    package var keepHourly: Int?
    package var keepDaily: Int?
    package var keepWeekly: Int?
    package var keepMonthly: Int?
    /// Past this the oldest go.
    package var maxTotal: ByteCount?

    package init() {}
}
