/// Addresses that no task of the tree uses: the scratch area, and a place for the vdso until its own is free.
///
/// One choice serves the whole tree, so a child inherits both from its bare parent.
struct StubLayout: Sendable {
    static let scratchSize = 0x60000
    /// The scratch area and the page of `CallList`'s code behind it.
    static let mappedSize = scratchSize + CallList.codeSize
    let scratch: RemoteAddress
    /// One address a piece of `OwnVDSO.pieces`, in its order.
    let parking: [UInt64]
    let gadget: RemoteAddress

    /// Finds a gap with room to spare on both sides, so that stacks keep their guard gaps.
    init(tree: TreeImage, vdso: OwnVDSO) throws(RestoreError) {
        let clearance: UInt64 = 16 << 20
        let parkingSize = vdso.pieces.reduce(0) { $0 + $1.size }
        let needed = UInt64(Self.mappedSize) + parkingSize + 2 * clearance
        var taken = vdso.pieces.map { ($0.start, $0.end) }
        for task in tree.tasks {
            for area in task.memory?.areas ?? [] where !area.status.contains(.vsyscall) {
                taken.append((area.start, area.end))
            }
        }
        taken.sort { $0.0 < $1.0 }
        // Above what 32-bit addresses and small brk heaps reach, below the end of user space.
        var candidate: UInt64 = 0x10_0000_0000
        for (start, end) in taken where end > candidate {
            if start >= candidate && start - candidate >= needed { break }
            candidate = max(candidate, end)
        }
        guard candidate + needed < 0x7fff_ffff_f000 else {
            throw RestoreError("address space of the tree", "has no gap of \(needed) bytes to build it from")
        }
        scratch = RemoteAddress(candidate + clearance)
        var next = candidate + clearance + UInt64(Self.mappedSize)
        var places: [UInt64] = []
        var gadgetAddress: UInt64 = 0
        for piece in vdso.pieces {
            places.append(next)
            if piece.isCode { gadgetAddress = next + UInt64(vdso.gadgetOffset) }
            next += piece.size
        }
        parking = places
        gadget = RemoteAddress(gadgetAddress)
    }
}
