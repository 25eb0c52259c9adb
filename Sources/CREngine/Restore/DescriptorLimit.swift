import CPlatform

/// RLIMIT_NOFILE of a process, in two steps: some descriptors are placed when it has its final limits otherwise, and
/// a program may hold numbers above a limit that it lowered later.
enum DescriptorLimit {
    static let resource = 7
    /// Numbers above the lender's that a task uses for a moment.
    private static let spare: UInt64 = 16

    /// The limit while descriptors are placed: as high as the highest needs, the hard one never below the image's.
    static func whilePlacing(_ image: LimitImage, lender: Int32) -> LimitImage {
        let needed = UInt64(lender) + spare
        return LimitImage(
            soft: max(min(image.soft, image.hard), needed), hard: max(image.hard, needed))
    }

    /// The image's own limit; by the process itself, which may always go down.
    static func settle(_ process: StubProcess) throws(RestoreError) {
        guard let limits = process.image.process?.limits, limits.indices.contains(resource) else { return }
        let limit = limits[resource]
        let address = try process.leader.put((min(limit.soft, limit.hard), limit.hard))
        try process.leader.call("prlimit64", CP_SYS_prlimit64, 0, resource, address)
    }
}
