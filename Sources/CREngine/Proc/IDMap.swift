/// Which ids of a user namespace are which outside: what uid_map or gid_map of /proc/PID says. See user_namespaces(7).
package struct IDMap: Hashable, Sendable {
    /// A range of ids that go over one by one.
    package struct Extent: Hashable, Sendable {
        /// The first one inside.
        package var inside: UInt32
        /// The first one outside, in the namespace of whoever reads or writes the map.
        package var outside: UInt32
        package var count: UInt32
        package init(inside: UInt32, outside: UInt32, count: UInt32) {
            self.inside = inside
            self.outside = outside
            self.count = count
        }
    }
    /// What an id that has no counterpart looks like; /proc/sys/kernel/overflowuid has it so on every system.
    package static let overflow: UInt32 = 65534
    /// (uid_t) -1, which nobody has and which chown(2) and setresuid(2) take as "leave it".
    package static let none: UInt32 = .max
    /// UID_GID_MAP_MAX_EXTENTS of include/linux/user_namespace.h.
    package static let mostExtents = 340

    package var extents: [Extent]

    package init(_ extents: [Extent] = []) { self.extents = extents }

    /// Understands the whole file. Throws where a line is not three numbers.
    package init(parsing bytes: [UInt8]) throws(ProcFormatError) {
        extents = []
        for line in bytes.lines {
            let numbers = line.words.compactMap { $0.decimal.flatMap { UInt32(exactly: $0) } }
            guard numbers.count == 3 else {
                throw ProcFormatError(file: "uid_map or gid_map", detail: line.text)
            }
            extents.append(Extent(inside: numbers[0], outside: numbers[1], count: numbers[2]))
        }
    }

    /// What an id outside is called inside; nil where it is not mapped.
    package func inside(_ id: UInt32) -> UInt32? {
        for extent in extents where id >= extent.outside && id - extent.outside < extent.count {
            return extent.inside + (id - extent.outside)
        }
        return nil
    }

    /// The reverse.
    package func outside(_ id: UInt32) -> UInt32? {
        for extent in extents where id >= extent.inside && id - extent.inside < extent.count {
            return extent.outside + (id - extent.inside)
        }
        return nil
    }

    /// The id by which whoever makes such a namespace acts in it: its root, or the first that there is.
    package var first: UInt32? { outside(0) == nil ? extents.first?.inside : 0 }

    /// Whether both ends of every range are ids, and no id is there twice.
    package var isPossible: Bool {
        func disjoint(_ starts: [(start: UInt32, count: UInt32)]) -> Bool {
            let sorted = starts.sorted { $0.start < $1.start }
            return zip(sorted, sorted.dropFirst()).allSatisfy { $1.start - $0.start >= $0.count }
        }
        return extents.count <= Self.mostExtents
            && extents.allSatisfy {
                $0.count > 0 && $0.inside <= .max - $0.count && $0.outside <= .max - $0.count
            }
            && disjoint(extents.map { ($0.inside, $0.count) })
            && disjoint(extents.map { ($0.outside, $0.count) })
    }

    /// Whether a namespace that is made in the one of this map can have such a range. The kernel takes no range out of two
    /// (`map_id_range_down` of kernel/user_namespace.c).
    package func canGive(_ wanted: Extent) -> Bool {
        extents.contains {
            wanted.outside >= $0.inside
                && UInt64(wanted.outside) + UInt64(wanted.count) <= UInt64($0.inside) + UInt64($0.count)
        }
    }

    /// For the file of a new namespace.
    package var text: String {
        extents.map { "\($0.inside) \($0.outside) \($0.count)\n" }.joined()
    }
}

extension IDMap: CustomStringConvertible {
    /// `0-65535 are 100000-165535`
    package var description: String {
        if extents.isEmpty { return "no id is mapped" }
        return extents.map {
            $0.count == 1
                ? "\($0.inside) is \($0.outside)"
                : "\($0.inside)-\($0.inside + ($0.count - 1)) are \($0.outside)-\($0.outside + ($0.count - 1))"
        }.joined(separator: ", ")
    }
}
