import CPlatform
import Glibc

/// Finds out what the end of a process would do to semaphores (SEM_UNDO), which the kernel tells nobody.
///
/// An adjustment is a 16-bit number, and semop(2) refuses with ERANGE what would take it out of range. So the process
/// is made to ask for operations that end in EAGAIN where the adjustment has the room and in ERANGE where it has not.
/// semop(2) does all of its operations or none: either way nothing has changed. See perform_atomic_semop_slow in
/// ipc/sem.c.
struct UndoProbe {
    private static let largest = 32767
    /// Semaphores that are asked about at once; the kernel takes at least 32 operations.
    private static let together = 3

    let pid: PID
    let scratch: RemoteAddress

    /// Adjustments of the process to the semaphores of a set. `values` are theirs.
    func adjustments(
        of set: Int32, values: [UInt16], _ session: inout RemoteSession
    ) throws(TraceError) -> [SemaphoreAdjustmentImage] {
        var found: [SemaphoreAdjustmentImage] = []
        for start in stride(from: 0, to: values.count, by: Self.together) {
            let part = (start..<min(start + Self.together, values.count)).map { ($0, Int(values[$0])) }
            guard let noneIsBelow = try isAtLeast(0, set, part, &session) else { return [] }
            if noneIsBelow, try isAtLeast(0, set, part, &session, isNegated: true) == true { continue }
            for semaphore in part {
                let value = try adjustment(set, semaphore, &session)
                if value == 0 { continue }
                found.append(
                    SemaphoreAdjustmentImage(
                        pid: pid, set: UInt32(set), semaphore: UInt32(semaphore.0), value: Int32(value)))
            }
        }
        return found
    }

    private func adjustment(
        _ set: Int32, _ semaphore: (Int, Int), _ session: inout RemoteSession
    ) throws(TraceError) -> Int {
        var low = -Self.largest - 1
        var high = Self.largest
        while low < high {
            let middle = low + (high - low + 1) / 2
            if try isAtLeast(middle, set, [semaphore], &session) == true {
                low = middle
            } else {
                high = middle - 1
            }
        }
        return low
    }

    /// Whether no adjustment of these semaphores is less than `bound` or, negated, more than its negative. Nil where the
    /// process may not change the set.
    private func isAtLeast(
        _ bound: Int, _ set: Int32, _ semaphores: [(number: Int, value: Int)],
        _ session: inout RemoteSession, isNegated: Bool = false
    ) throws(TraceError) -> Bool? {
        var operations: [SemaphoreOperation] = []
        for (number, value) in semaphores {
            operations += SemaphoreOperation.change(number, by: -value)
            // An adjustment goes down with what the semaphore goes up, and may not leave -32768...32767.
            let room = isNegated ? Self.largest - bound : bound + Self.largest + 1
            operations += SemaphoreOperation.adjust(number, by: isNegated ? room : -room)
            operations += SemaphoreOperation.change(number, by: value)
        }
        if let first = semaphores.first {
            operations += SemaphoreOperation.refuse(first.number, value: first.value)
        }
        let bytes = SemaphoreOperation.bytes(operations)
        do throws(Errno) {
            try RemoteMemory.write(pid, scratch, bytes)
        } catch {
            throw .failed(operation: "writing arguments", tid: pid.leader, errno: error)
        }
        switch try session.call(
            CP_SYS_semop, UInt64(set), scratch.rawValue, UInt64(operations.count))
        {
        case .failure(.again): return true
        case .failure(let errno) where errno.rawValue == ERANGE: return false
        case .failure(.access), .failure(.perm): return nil
        case .failure(let errno): throw .remoteCall(name: "semop", tid: pid.leader, errno: errno)
        case .success: throw .remoteCall(name: "semop", tid: pid.leader, errno: .invalid)
        }
    }
}

/// An operation of semop(2); none waits.
struct SemaphoreOperation {
    private var number: UInt16
    private var change: Int16
    private var flags: Int16

    private static let noWait: Int16 = 0o4000
    private static let undo: Int16 = 0o10000
    /// Fits a change with either sign.
    private static let step = 16384

    /// Changes a value, and no adjustment.
    static func change(_ number: Int, by amount: Int) -> [Self] {
        if amount == 0 { return [] }
        return [Self(number: UInt16(number), change: Int16(amount), flags: noWait)]
    }

    /// Changes the adjustment and leaves the value, which must be 0, as it was.
    static func adjust(_ number: Int, by amount: Int) -> [Self] {
        var operations: [Self] = []
        var rest = amount
        while rest != 0 {
            let part = Int16(max(-step, min(step, rest)))
            let up = Self(number: UInt16(number), change: abs(part), flags: noWait | (part < 0 ? undo : 0))
            let down = Self(number: UInt16(number), change: -abs(part), flags: noWait | (part < 0 ? 0 : undo))
            operations += [up, down]
            rest -= Int(part)
        }
        return operations
    }

    /// Fails for certain: waits for zero where there is none. `value` is the semaphore's.
    static func refuse(_ number: Int, value: Int) -> [Self] {
        change(number, by: value == 0 ? 1 : 0) + [Self(number: UInt16(number), change: 0, flags: noWait)]
    }

    /// As struct sembuf has them.
    static func bytes(_ operations: [Self]) -> [UInt8] {
        operations.flatMap { operation in
            withUnsafeBytes(of: operation.number) { Array($0) }
                + withUnsafeBytes(of: operation.change) { Array($0) }
                + withUnsafeBytes(of: operation.flags) { Array($0) }
        }
    }
}
