import CPlatform
import Glibc

/// The connections of a frozen tree: their lock, and where each can be reached for TCP_REPAIR.
///
/// With this value goes what was not made to stay: the lock, by the kernel, and repair.
final class NetworkDump {
    /// By inode of the socket.
    private let treatments: [UInt64: TCPTreatment]
    private var lock: NetworkLock?
    private let held: ConnectionLock?
    private var places: [UndoJournal.SocketRecord] = []
    /// Where the records of sockets begin in the journal.
    private let firstPlace: Int
    private let runID: String
    private let faults: FaultPoints
    private let journal: UndoJournal
    /// CRIU's number of what locks.
    let method: UInt32

    /// Locks all that is to be read. The snapshot of before is old from here on.
    init(
        _ snapshot: Snapshot, _ options: DumpOptions, runID: String, journal: borrowing UndoJournal,
        firstPlace: Int,
        faults: FaultPoints
    ) throws(DumpError) {
        let connections = snapshot.connections
        var treatments: [UInt64: TCPTreatment] = [:]
        var locked: [ConnectionLock.Ends] = []
        for socket in snapshot.sockets.values where socket.family == .tcp {
            let treatment = TCPTreatment.of(socket, connections, allow: options.allow)
            treatments[socket.inode] = treatment
            if treatment == .keep || treatment == .inside, let ends = socket.ends { locked.append(ends) }
        }
        var lock: NetworkLock?
        var held: ConnectionLock?
        if !locked.isEmpty, options.locksNetwork {
            let wanted = ConnectionLock(
                runID: runID, connections: locked.sorted { $0.element < $1.element })
            held = wanted
            do throws(PacketFilter.Failure) {
                lock = try NetworkLock(wanted)
            } catch {
                throw .environment(
                    "connections cannot be locked by nftables: \(error); load nf_tables, or use network-lock: skip"
                )
            }
        }
        do throws(Errno) {
            self.journal = try journal.duplicate()
        } catch {
            throw .environment("the undo journal cannot be shared: \(error)")
        }
        self.treatments = treatments
        self.lock = lock
        self.held = held
        self.firstPlace = firstPlace
        self.runID = runID
        self.faults = faults
        method = options.locksNetwork ? LockMethod.nftables : LockMethod.none
    }

    var isLocked: Bool { held != nil }

    /// What is to be locked until a restore.
    var staying: ConnectionLock? { places.isEmpty ? nil : held }

    func treatment(of inode: UInt64) -> TCPTreatment { treatments[inode] ?? .plain }

    /// Reads a connection through a duplicate of its descriptor.
    func read(
        _ fd: Int32, _ image: inout InetSocketImage, at record: UndoJournal.SocketRecord
    ) throws(Errno) -> TCPStreamImage {
        try journal.set(record, at: firstPlace)
        faults.pass("before repair")
        try TCPRepair.enter(fd)
        faults.pass("in repair")
        let result = Result { () throws(Errno) in try TCPStreamReader(fd: fd).read() }
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
        guard let lock = lock.take() else { return }
        do throws(PacketFilter.Failure) {
            try lock.release()
        } catch {
            throw .environment("the lock of connections cannot be taken away: \(error)")
        }
    }

    /// The checkpoint is durable and the tree is about to be killed: the lock stays, and no connection says goodbye.
    func commit() throws(DumpError) {
        if places.isEmpty { return }
        do throws(Errno) {
            if lock != nil { try journal.set(lockOf: runID, at: firstPlace) }
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
    }
}
