import CPlatform
import Glibc

// Records of what a dump does to connections. They share the places of the records of processes; the upper half of
// the first word tells them apart.

extension UndoJournal {
    /// A socket that may be in repair (TCP_REPAIR), by a descriptor of a process.
    package struct SocketRecord: Equatable, Sendable {
        package var pid: PID
        /// Field 22 of /proc/PID/stat.
        package var startTime: UInt64
        package var fd: Int32
        /// Of the socket, as the program may have another one there by the time of an undo.
        package var inode: UInt64
        /// SO_REUSEADDR, which the kernel loses with repair.
        package var reusesAddress: Bool

        package init(pid: PID, startTime: UInt64, fd: Int32, inode: UInt64, reusesAddress: Bool) {
            self.pid = pid
            self.startTime = startTime
            self.fd = fd
            self.inode = inode
            self.reusesAddress = reusesAddress
        }

        /// A duplicate of the socket. ESRCH where the process or the socket is not there any more.
        package func open() throws(Errno) -> OwnedFD {
            let pidfd = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(pid.rawValue), 0)))
            guard TaskList.stat(pid, pid.leader)?.startTime == startTime else { throw .noProcess }
            let socket = try SocketCalls.duplicate(pidfd: pidfd.rawValue, descriptor: fd)
            var status = stat()
            guard fstat(socket.rawValue, &status) == 0, UInt64(status.st_ino) == inode else {
                throw .noProcess
            }
            return socket
        }
    }

    /// Another handle of the same journal.
    func duplicate() throws(Errno) -> UndoJournal {
        UndoJournal(
            inherited: Int32(
                try systemCall(CP_SYS_fcntl, Int(descriptor), Int(F_DUPFD_CLOEXEC), 3)))
    }

    static let processKind: UInt64 = 0
    private static let socketKind: UInt64 = 1
    private static let lockKind: UInt64 = 2

    package func set(_ record: SocketRecord, at index: Int) throws(Errno) {
        let flags: UInt64 = record.reusesAddress ? 1 : 0
        try write(
            [
                Self.socketKind << 32 | UInt64(UInt32(bitPattern: record.pid.rawValue)), record.startTime,
                UInt64(UInt32(bitPattern: record.fd)), record.inode, flags,
            ], index: index)
    }

    /// A table of nftables that stays, in the network namespace of a process or in ours; `runID` is UUID text.
    ///
    /// `namespace` is its inode, by which another member is found should the process be gone.
    package func set(
        lockOf runID: String, in process: PID?, namespace: UInt64 = 0, at index: Int
    ) throws(Errno) {
        let digits = Array(runID.filter { $0 != "-" })
        guard digits.count == 32, let high = UInt64(String(digits[..<16]), radix: 16),
            let low = UInt64(String(digits[16...]), radix: 16)
        else { throw .invalid }
        let pid = UInt64(UInt32(bitPattern: process?.rawValue ?? 0))
        try write([Self.lockKind << 32, high, low, pid, namespace], index: index)
    }

    package func socketRecords() throws(Errno) -> [(index: Int, record: SocketRecord)] {
        try all().compactMap { row in
            guard row.words[0] >> 32 == Self.socketKind else { return nil }
            return (
                row.index,
                SocketRecord(
                    pid: PID(Int32(truncatingIfNeeded: row.words[0])), startTime: row.words[1],
                    fd: Int32(truncatingIfNeeded: row.words[2]), inode: row.words[3],
                    reusesAddress: row.words[4] & 1 != 0)
            )
        }
    }

    /// A table that stays.
    package struct LockRecord: Equatable, Sendable {
        /// UUID text.
        package var runID: String
        /// In whose network namespace; nil for ours.
        package var process: PID?
        package var namespace: UInt64
    }

    package func locks() throws(Errno) -> [(index: Int, record: LockRecord)] {
        try all().compactMap { row in
            guard row.words[0] >> 32 == Self.lockKind else { return nil }
            let digits = [row.words[1], row.words[2]].map { word in
                let text = String(word, radix: 16)
                return String(repeating: "0", count: 16 - text.utf8.count) + text
            }.joined()
            var text = ""
            for (place, digit) in digits.enumerated() {
                if [8, 12, 16, 20].contains(place) { text += "-" }
                text.append(digit)
            }
            let pid = Int32(truncatingIfNeeded: row.words[3])
            return (
                row.index,
                LockRecord(runID: text, process: pid == 0 ? nil : PID(pid), namespace: row.words[4])
            )
        }
    }
}

/// Gives connections back what a dead dump took: their traffic and their queues.
enum NetworkUndo {
    /// What could not be undone, one line each.
    static func run(_ journal: borrowing UndoJournal) -> [String] {
        var failures: [String] = []
        do throws(Errno) {
            for (index, record) in try journal.socketRecords() {
                do throws(Errno) {
                    let socket = try record.open()
                    try TCPRepair.leave(socket.rawValue, reusesAddress: record.reusesAddress)
                } catch {
                    if error != .noProcess && error != .badDescriptor {
                        failures.append(
                            "fd \(record.fd) of process \(record.pid) stays in TCP_REPAIR: \(error)")
                    }
                }
                try journal.clear(at: index)
            }
            for (index, record) in try journal.locks() {
                let table = ConnectionLock.tableName(runID: record.runID)
                do throws(PacketFilter.Failure) {
                    try remove(table, record)
                } catch {
                    failures.append("the table inet \(table) of nftables stays: \(error)")
                }
                try journal.clear(at: index)
            }
        } catch {
            failures.append("the undo journal cannot be read: \(error)")
        }
        return failures
    }

    private static func remove(
        _ table: String, _ record: UndoJournal.LockRecord
    ) throws(PacketFilter.Failure) {
        guard let process = record.process else {
            _ = try NetworkLock.remove(table: table)
            return
        }
        // Without a member it has gone, and the table with it.
        guard let member = NetworkNamespace.member(of: record.namespace, first: process) else { return }
        // The table is named by a run that only one namespace has met.
        let refusal = { (failure: NamespaceVisit.Failure) in
            PacketFilter.Failure(description: failure.description)
        }
        try NamespaceVisit.run(.net, of: member, refusal: refusal) { () throws(PacketFilter.Failure) in
            _ = try NetworkLock.remove(table: table)
        }
    }
}
