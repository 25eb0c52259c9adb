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

/// Objects of tasks put into classes of equal ones, by a sorted list and kcmp(2): n·log n comparisons.
package struct KcmpClasses<Value: Sendable>: Sendable {
    private struct Member: Sendable {
        var pid: PID
        var number: Int32
        var value: Value
    }
    private let kind: Kcmp.Kind
    private var members: [Member] = []

    package init(_ kind: Kcmp.Kind) { self.kind = kind }

    /// The value of the class that this object belongs to; a new class is made with `new()` where there is none.
    package mutating func value(
        _ pid: PID, _ number: Int32 = 0, new: () -> Value
    ) throws(Errno) -> Value {
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            let other = members[middle]
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
                members.remove(at: middle)
                (low, high) = (0, members.count)
            }
        }
        let value = new()
        members.insert(Member(pid: pid, number: number, value: value), at: low)
        return value
    }
}
