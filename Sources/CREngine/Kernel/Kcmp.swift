import CPlatform

/// kcmp(2): whether two tasks have the same kernel object, with a total order among those that differ.
package enum Kcmp {
    /// KCMP_*
    package enum Kind: Int, Sendable {
        case file = 0
        case memory = 1
        case files = 2
        case fileSystem = 3
        case signalHandlers = 4
        /// Adjustments of System V semaphores at exit.
        case semaphoreUndo = 6
    }
    /// The order is by an obfuscated address: the same for one boot, and of no meaning.
    package enum Order: Sendable {
        case same
        case less
        case greater
    }

    /// Compares one object of `a` with one of `b`; the numbers are descriptors for `.file`, else unused.
    ///
    /// Throws EBADF where a descriptor is not open, ESRCH where a task is gone, EPERM without ptrace rights.
    package static func compare(
        _ kind: Kind, _ a: PID, _ b: PID, _ aNumber: Int32 = 0, _ bNumber: Int32 = 0
    ) throws(Errno) -> Order {
        let answer = try systemCall(
            CP_SYS_kcmp, Int(a.rawValue), Int(b.rawValue), kind.rawValue, Int(aNumber), Int(bNumber))
        return try order(answer)
    }

    /// A member of an epoll set: struct kcmp_epoll_slot.
    package struct EpollSlot: BitwiseCopyable, Sendable {
        /// Descriptor of the set.
        package var set: Int32
        /// The number under which the member was added.
        package var number: Int32
        /// Which one of those that were added under this number, as fdinfo lists them.
        package var place: UInt32
        package init(set: Int32, number: Int32, place: UInt32) {
            self.set = set
            self.number = number
            self.place = place
        }
    }

    /// Compares an open file of `pid` with what a member of an epoll set of `holder` watches (KCMP_EPOLL_TFD).
    ///
    /// Throws ENOENT where there is no such member, EBADF where a descriptor is not open.
    package static func compare(
        _ pid: PID, _ fd: Int32, with slot: EpollSlot, of holder: PID
    ) throws(Errno) -> Order {
        let epollTarget = 7
        var slot = slot
        let answer = try withUnsafeMutablePointer(to: &slot) { (slot) throws(Errno) -> Int in
            try systemCall(
                CP_SYS_kcmp, Int(pid.rawValue), Int(holder.rawValue), epollTarget, Int(fd),
                Int(bitPattern: slot))
        }
        return try order(answer)
    }

    private static func order(_ answer: Int) throws(Errno) -> Order {
        switch answer {
        case 0: .same
        case 1: .less
        case 2: .greater
        default: throw .notSupported
        }
    }
}

/// Objects of tasks put into classes of equal ones, by a sorted list and kcmp(2): n·log n comparisons, or 2·n where an
/// earlier look tells the order.
package struct KcmpClasses<Value: Sendable>: Sendable {
    private struct Member: Sendable {
        var pid: PID
        var number: Int32
        var rank: Int
        var value: Value
    }
    private let kind: Kcmp.Kind
    private var members: [Member] = []
    /// Places of members, in the order of kcmp(2). Small, because it is moved at each insertion.
    private var order: [UInt32] = []

    package init(_ kind: Kcmp.Kind) { self.kind = kind }

    /// The values of all classes, in the order of kcmp(2).
    package var ordered: [Value] { order.map { members[Int($0)].value } }

    /// The value of the class that this object belongs to; a new class is made with `new()` where there is none.
    ///
    /// `rank` is the place that the class had in an earlier look. It is only where the search begins: what it says is
    /// compared as everything else is.
    package mutating func value(
        _ pid: PID, _ number: Int32 = 0, rank: Int? = nil, new: () -> Value
    ) throws(Errno) -> Value {
        if let rank {
            let place = place(of: rank)
            switch guess(pid, number, rank, place) {
            case .same: return member(place).value
            case .new: return add(Member(pid: pid, number: number, rank: rank, value: new()), at: place)
            case .wrong: break
            }
        }
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            let other = member(middle)
            do throws(Errno) {
                switch try Kcmp.compare(kind, pid, other.pid, number, other.number) {
                case .same: return other.value
                case .less: high = middle
                case .greater: low = middle + 1
                }
            } catch {
                // Of a running tree the other one may have ended since: then it is no member any more.
                guard error == .noProcess || error == .badDescriptor else { throw error }
                _ = try Kcmp.compare(kind, pid, pid, number, number)
                order.remove(at: middle)
                (low, high) = (0, order.count)
            }
        }
        // The ranks of the list never fall.
        let near = low > 0 ? member(low - 1).rank : order.isEmpty ? rank ?? 0 : member(low).rank
        return add(Member(pid: pid, number: number, rank: near, value: new()), at: low)
    }

    private enum Guess {
        case same
        case new
        case wrong
    }

    /// Whether the object belongs where its rank says. Nothing is lost by a wrong rank but the comparisons.
    private func guess(_ pid: PID, _ number: Int32, _ rank: Int, _ place: Int) -> Guess {
        func compare(_ place: Int) -> Kcmp.Order? {
            let other = member(place)
            return try? Kcmp.compare(kind, pid, other.pid, number, other.number)
        }
        if place < order.count {
            let answer = compare(place)
            if answer == .same { return .same }
            if answer != .less || member(place).rank == rank { return .wrong }
        }
        return place == 0 || compare(place - 1) == .greater ? .new : .wrong
    }

    /// The first place whose rank is not below this one; needs no comparison.
    private func place(of rank: Int) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if member(middle).rank < rank { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func member(_ place: Int) -> Member { members[Int(order[place])] }

    private mutating func add(_ member: Member, at place: Int) -> Value {
        order.insert(UInt32(members.count), at: place)
        members.append(member)
        return member.value
    }
}
