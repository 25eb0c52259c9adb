import CPlatform
import Glibc

/// Which objects of System V IPC a tree uses, and who else does.
///
/// Of a segment the kernel counts the mappings, so the tree's own prove that nobody else has it. Of semaphores and
/// queues it knows only who came last; what a process of the tree used last, or waits for, is taken for the tree's, and
/// a living outsider who used it last for a sign that it is not the tree's alone.
enum SystemVScan {
    private static let calls: [UInt64: SystemV.Kind] = [
        UInt64(CP_SYS_semop): .semaphores, UInt64(CP_SYS_semtimedop): .semaphores,
        UInt64(CP_SYS_msgsnd): .queue, UInt64(CP_SYS_msgrcv): .queue,
    ]

    static func facts(of snapshot: Snapshot, _ notes: KernelNotes) throws(CollectorError) -> SystemVFacts {
        guard snapshot.ownNamespaceKinds.contains(.ipc) else { return try look(snapshot, takesAll: false) }
        // What is there is there for the tree.
        return try NamespaceVisit.run(
            .ipc, of: snapshot.root,
            refusal: { failure in
                switch failure.errno {
                case .noEntry, .noProcess: CollectorError.noSuchProcess(snapshot.root)
                default:
                    CollectorError.unreadable(path: "/proc/\(snapshot.root)/ns/ipc", errno: failure.errno)
                }
            }
        ) { () throws(CollectorError) in
            var facts = try look(snapshot, takesAll: true)
            do throws(Errno) {
                var scan = try PosixQueueScan(notes)
                scan.addUnlinked(of: snapshot)
                (facts.posixQueues, facts.posixQueueDevice) = (scan.queues, scan.device)
            } catch {
                throw .unreadable(path: "the message queues of process \(snapshot.root)", errno: error)
            }
            return facts
        }
    }

    /// `takesAll`: objects that nobody of the tree has used yet are its own too.
    private static func look(
        _ snapshot: Snapshot, takesAll: Bool
    ) throws(CollectorError) -> SystemVFacts {
        var facts = SystemVFacts()
        let segments = try table(.segment, SystemVTables.segments)
        let semaphores = try table(.semaphores, SystemVTables.semaphores)
        let queues = try table(.queue, SystemVTables.queues)
        if segments.isEmpty && semaphores.isEmpty && queues.isEmpty { return facts }

        let inside = Set(snapshot.tasks.map(\.pid))
        facts.segments = used(segments, snapshot, inside, takesAll)
        let awaited = semaphores.isEmpty && queues.isEmpty ? [:] : awaited(snapshot)
        for row in semaphores {
            var users: [PID] = []
            for number in 0..<row.count {
                // A set that goes during the look is nobody's.
                guard let user = try? SystemV.lastUser(of: row.object.id, semaphore: number) else { break }
                users.append(user)
            }
            guard users.count == row.count,
                takesAll || !inside.isDisjoint(with: users)
                    || awaited[.semaphores]?.contains(row.object.id) == true
            else { continue }
            facts.semaphores.append(
                .init(row: row, lastUsers: users, outsiders: outsiders(users, snapshot, inside)))
        }
        for row in queues {
            let users = [row.lastSender, row.lastReceiver]
            guard
                takesAll || !inside.isDisjoint(with: users)
                    || awaited[.queue]?.contains(row.object.id) == true
            else { continue }
            facts.queues.append(.init(row: row, outsiders: outsiders(users, snapshot, inside)))
        }
        if !semaphores.isEmpty { findUndoLists(snapshot, &facts) }
        if !facts.undoLists.isEmpty { facts.allSemaphores = semaphores }
        return facts
    }

    private static func table<Row>(
        _ kind: SystemV.Kind, _ parse: ([UInt8]) throws(ProcFormatError) -> [Row]
    ) throws(CollectorError) -> [Row] {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try SystemV.table(kind)
        } catch {
            // A kernel without CONFIG_SYSVIPC.
            if error == .noEntry { return [] }
            throw .unreadable(path: "/proc/sysvipc/\(kind.rawValue)", errno: error)
        }
        do throws(ProcFormatError) {
            return try parse(bytes)
        } catch {
            throw .malformed(pid: PID(getpid()), error: error)
        }
    }

    // MARK: Segments

    private static func used(
        _ rows: [SharedSegmentRow], _ snapshot: Snapshot, _ inside: Set<PID>, _ takesAll: Bool
    ) -> [SystemVFacts.Segment] {
        var places: [Int32: [(pid: PID, start: UInt64, end: UInt64)]] = [:]
        // The kernel counts an address space once, however many processes live in it.
        for task in snapshot.tasks where task.sharing.memory == task.pid {
            for area in task.areas where area.kind == .systemV {
                places[snapshot.segment(of: area), default: []].append((task.pid, area.start, area.end))
            }
        }
        return rows.compactMap { row in
            let own = places[row.object.id] ?? []
            guard takesAll || !own.isEmpty || row.attachments == 0 && inside.contains(row.creator) else {
                return nil
            }
            var segment = SystemVFacts.Segment(
                row: row, attachments: UInt64(own.count), place: own.first)
            if row.attachments != segment.attachments {
                segment.outsiders = attachers(of: row.object.id, snapshot, inside)
                // A running tree may have attached and detached it meanwhile.
                if !snapshot.isFrozen && segment.outsiders.isEmpty {
                    segment.row.attachments = segment.attachments
                }
            }
            return segment
        }
    }

    private static func attachers(of id: Int32, _ snapshot: Snapshot, _ inside: Set<PID>) -> [String] {
        guard let proc = try? ProcDirectory.open("/proc"), let pids = try? proc.numbers(".") else {
            return []
        }
        let own = Set(inside.map(\.rawValue))
        return pids.compactMap { pid in
            if own.contains(pid) || !snapshot.isFrozen && OutsideScan.descends(pid, from: own) { return nil }
            guard let process = try? proc.directory("\(pid)"), let bytes = try? process.read("maps"),
                let rows = try? AreaList.parse(bytes),
                rows.contains(where: { $0.name.hasPrefix("/SYSV") && $0.inode == UInt64(id) })
            else { return nil }
            return "\(OutsideScan.comm(process))[\(pid)]"
        }
    }

    // MARK: Semaphores and queues

    /// Ids of what threads of the tree wait for.
    private static func awaited(_ snapshot: Snapshot) -> [SystemV.Kind: Set<Int32>] {
        var found: [SystemV.Kind: Set<Int32>] = [:]
        for task in snapshot.tasks {
            for thread in task.threads {
                guard let call = TaskList.call(task.pid, thread.tid), let kind = calls[call.number],
                    let id = call.arguments.first
                else { continue }
                found[kind, default: []].insert(Int32(truncatingIfNeeded: id))
            }
        }
        return found
    }

    private static func outsiders(_ users: [PID], _ snapshot: Snapshot, _ inside: Set<PID>) -> [String] {
        let own = Set(inside.map(\.rawValue))
        return Set(users).subtracting(inside).sorted().compactMap { user in
            guard user.rawValue > 0, let process = try? ProcDirectory.open("/proc/\(user)"),
                snapshot.isFrozen || !OutsideScan.descends(user.rawValue, from: own)
            else { return nil }
            return "\(OutsideScan.comm(process))[\(user)]"
        }
    }

    // MARK: Adjustments at exit

    /// Told by kcmp(2) from a process that has no list. Whoever makes a thread gets one, which may stay empty.
    private static func findUndoLists(_ snapshot: Snapshot, _ facts: inout SystemVFacts) {
        let bare = cp_ended_process(0)
        guard bare > 0 else { return }
        let anyChild = 0x4000_0000
        defer { _ = cp_syscall(CP_SYS_wait4, Int(bare), 0, anyChild, 0, 0, 0) }
        func differ(_ a: TID, _ b: Int32) -> Bool {
            (try? Kcmp.compare(.semaphoreUndo, PID(a.rawValue), PID(b))).map { $0 != .same } ?? false
        }
        var classes = KcmpClasses<PID>(.semaphoreUndo)
        for task in snapshot.tasks where !task.isZombie {
            if differ(task.pid.leader, bare) {
                facts.undoLists.insert(task.pid)
                let first = try? classes.value(task.pid) { task.pid }
                if let first, first != task.pid { facts.oddUndoLists.append(task.pid.leader) }
            }
            for thread in task.threads.dropFirst()
            where differ(thread.tid, task.pid.rawValue) && differ(thread.tid, bare) {
                facts.oddUndoLists.append(thread.tid)
            }
        }
    }
}
