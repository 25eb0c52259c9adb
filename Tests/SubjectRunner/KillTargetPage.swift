import CREngine
import Glibc
import TestSupport

/// The page that the subject `killtarget` shares with us; the layout is that of Tests/Subjects/killtarget.h.
struct KillTargetPage {
    /// One thread's slot.
    struct Slot {
        var tid: UInt32
        var turns: UInt64
        /// What the thread found wrong, if anything.
        var damage: String?
    }

    private static let magic: UInt32 = 0x6b74
    private static let headerSize = 8
    private static let slotSize = 128
    private static let reasonOffset = 20

    let path: String

    /// The slots as they are now; empty while the subject has not made them.
    func slots() -> [Slot] {
        guard let file = try? OwnedFD.open(path, O_RDONLY), let bytes = try? file.readToEnd(),
            bytes.count > Self.headerSize
        else { return [] }
        return bytes.withUnsafeBytes { raw in
            guard raw.loadUnaligned(as: UInt32.self) == Self.magic else { return [] }
            let count = Int(raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            let first = Self.headerSize
            guard raw.count >= first + count * Self.slotSize else { return [] }
            return (0..<count).map { index in
                let start = first + index * Self.slotSize
                let isDamaged = raw.loadUnaligned(fromByteOffset: start + 16, as: UInt32.self) != 0
                let reason = raw[(start + Self.reasonOffset)..<(start + Self.slotSize)].prefix { $0 != 0 }
                return Slot(
                    tid: raw.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self),
                    turns: raw.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self),
                    damage: isDamaged ? String(decoding: reason, as: UTF8.self) : nil)
            }
        }
    }

    /// What is wrong with a target that ought to be well: every thread must go on by so many turns, without damage.
    func faults(turns: UInt64 = 1, until deadline: Double, orOnce isHopeless: () -> Bool = { false })
        -> [String]
    {
        let before = slots()
        if before.isEmpty { return ["the target's page has no slots"] }
        var after = before
        func standing() -> [Slot] {
            zip(before, after).filter { $1.turns < $0.turns + turns }.map { $1 }
        }
        _ = poll(until: deadline, every: 1) {
            after = slots()
            if after.count != before.count { return false }
            return standing().isEmpty || after.contains { $0.damage != nil } || isHopeless()
        }
        let damaged = after.compactMap { slot in slot.damage.map { "thread \(slot.tid): \($0)" } }
        return damaged.isEmpty ? standing().map { "thread \($0.tid) makes no progress" } : damaged
    }
}
