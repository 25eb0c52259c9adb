import CPlatform
import Glibc
import PolicyModel

/// The connections of a frozen tree: their lock, and where each can be reached for TCP_REPAIR.
///
/// With this value goes what was not made to stay: the lock, by the kernel, and repair.
final class NetworkDump {
    /// By inode of the socket.
    private let treatments: [UInt64: TCPTreatment]
    private var lock: NetworkLock?
    private var rules: PacketRules?
    private var rulesNote: UndoNotes.Mark?
    private let held: ConnectionLock?
    /// Of a tree that has one of its own, which is locked as a whole.
    let namespace: NetworkNamespaceDump?
    private var places: [UndoJournal.SocketRecord] = []
    /// Where the records of sockets begin in the journal.
    private let firstPlace: Int
    private let runID: String
    private let faults: FaultPoints
    private let journal: UndoJournal
    private let notes: UndoNotes
    /// CRIU's number of what locks.
    let method: UInt32

    /// Locks all that is to be read. The snapshot of before is old from here on.
    init(
        _ snapshot: Snapshot, _ options: DumpOptions, runID: String, journal: borrowing UndoJournal,
        firstPlace: Int, notes: UndoNotes, faults: FaultPoints
    ) throws(DumpError) {
        treatments = snapshot.treatments(allow: options.allow)
        let locked = snapshot.lockable(allow: options.allow)
        var lock: NetworkLock?
        var rules: PacketRules?
        var held: ConnectionLock?
        namespace = try NetworkNamespaceDump.take(snapshot, options, runID: runID)
        if namespace == nil, !locked.isEmpty, options.networkLock != .skip {
            let wanted = ConnectionLock(
                runID: runID, connections: locked.sorted { $0.element < $1.element })
            held = wanted
            do throws(PacketFilter.Failure) {
                if options.networkLock == .iptables {
                    rulesNote = try Self.note(wanted.connections, notes)
                    rules = try PacketRules(wanted.connections)
                } else {
                    lock = try NetworkLock(wanted)
                }
            } catch {
                throw Self.unlockable(options.networkLock, error)
            }
        }
        do throws(Errno) {
            self.journal = try journal.duplicate()
        } catch {
            throw .environment("the undo journal cannot be shared: \(error)")
        }
        self.lock = lock
        self.rules = rules
        self.notes = notes
        self.held = held
        self.firstPlace = firstPlace
        self.runID = runID
        self.faults = faults
        method = LockMethod.number(of: options.networkLock)
        if isLocked { faults.pass("locked") }
    }

    /// Throws, before anything is frozen, where what is to hold the connections is not installed.
    static func check(_ snapshot: Snapshot, _ options: DumpOptions) throws(DumpError) {
        guard options.networkLock == .iptables else { return }
        if snapshot.ownNamespaceKinds.contains(.net) {
            throw .environment("a network namespace is locked by nftables only; use network-lock: nftables")
        }
        do throws(IPTables.Failure) {
            try IPTables.check(for: snapshot.lockable(allow: options.allow))
        } catch {
            throw unlockable(options.networkLock, error)
        }
    }

    private static func unlockable(
        _ lock: DumpSettings.NetworkLock, _ failure: PacketFilter.Failure
    ) -> DumpError {
        let remedy =
            lock == .iptables
            ? "install iptables, or use network-lock: nftables" : "load nf_tables, or use network-lock: skip"
        return .environment("connections cannot be locked by \(lock.rawValue): \(failure); \(remedy)")
    }

    /// Rules of iptables do not go with their maker.
    private static func note(
        _ connections: [ConnectionLock.Ends], _ notes: UndoNotes
    ) throws(PacketFilter.Failure) -> UndoNotes.Mark {
        do throws(Errno) {
            return try notes.add(.packetRules(connections))
        } catch {
            throw PacketFilter.Failure(description: "the undo journal cannot be written: \(error)")
        }
    }

    var isLocked: Bool { held != nil || namespace?.isLocked == true }

    /// For the log.
    var lockName: String {
        method == LockMethod.iptables
            ? "rules of iptables" : "table inet \(ConnectionLock.tableName(runID: runID))"
    }

    /// What is to be locked until a restore.
    var staying: ConnectionLock? { places.isEmpty ? nil : held }

    func treatment(of inode: UInt64) -> TCPTreatment { treatments[inode] ?? .plain }

    /// Reads a connection through a duplicate of its descriptor. `unread` is what sock_diag(7) has of it.
    func read(
        _ fd: Int32, _ image: inout InetSocketImage, unread: Int, at record: UndoJournal.SocketRecord
    ) throws(Errno) -> TCPStreamImage {
        try journal.set(record, at: firstPlace)
        faults.pass("before repair")
        try TCPRepair.enter(fd)
        faults.pass("in repair")
        let result = Result { () throws(Errno) in
            try TCPStreamReader(fd: fd, unread: unread).read()
        }
        try TCPRepair.leave(fd, reusesAddress: record.reusesAddress)
        faults.pass("after repair")
        try journal.clear(at: firstPlace)
        let (state, stream) = try result.get()
        image.state = state
        places.append(record)
        return stream
    }

    /// The tree is about to run on.
    func release() throws(DumpError) {
        do throws(PacketFilter.Failure) {
            if let lock = lock.take() { try lock.release() }
            if let rules = rules.take() { try rules.release() }
        } catch {
            throw .environment("the lock of connections cannot be taken away: \(error)")
        }
        try namespace?.release()
        guard let mark = rulesNote.take() else { return }
        do throws(Errno) {
            try notes.remove(mark)
        } catch {
            throw .environment("the undo journal cannot be written: \(error)")
        }
    }

    /// The checkpoint is durable and the tree is about to be killed: the lock stays, and no connection says goodbye.
    func commit() throws(DumpError) {
        if places.isEmpty { return }
        do throws(Errno) {
            if lock != nil || namespace?.isLocked == true {
                try journal.set(
                    lockOf: runID, in: namespace?.root, namespace: namespace?.inode ?? 0, at: firstPlace)
            }
        } catch {
            throw .environment("the undo journal cannot be written: \(error)")
        }
        if let lock = lock.take() {
            do throws(PacketFilter.Failure) {
                try lock.persist()
            } catch {
                throw .environment("the lock of connections cannot be made to stay: \(error)")
            }
            self.lock = consume lock
        }
        try namespace?.persistLock()
        if var rules = rules.take() {
            rules.persist()
            self.rules = consume rules
        }
        faults.pass("lock stays")
        for (place, record) in places.enumerated() {
            do throws(Errno) {
                try journal.set(record, at: firstPlace + 1 + place)
                let fd = try record.open()
                try TCPRepair.enter(fd.rawValue)
            } catch {
                throw .task(record.pid, "its connection at fd \(record.fd) cannot be held back", error)
            }
        }
        faults.pass("all in repair")
    }

    /// The kill did not come to be: undoes `commit`.
    func abandon() {
        for record in places {
            guard let fd = try? record.open() else { continue }
            try? TCPRepair.leave(fd.rawValue, reusesAddress: record.reusesAddress)
        }
        if let lock = lock.take() { try? lock.release() }
        if let rules = rules.take() { try? rules.release() }
        try? namespace?.release()
    }
}
