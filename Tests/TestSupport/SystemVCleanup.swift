import CREngine

/// Removes what these processes, which have ended, made or used last of System V IPC: it outlives them.
package func removeSystemV(of pids: Set<Int32>) {
    func isOurs(_ pid: PID) -> Bool { pids.contains(pid.rawValue) }
    let segments = (try? SystemVTables.segments(try SystemV.table(.segment))) ?? []
    for row in segments where isOurs(row.creator) && row.attachments == 0 {
        try? SystemV.remove(.segment, UInt32(row.object.id))
    }
    for row in (try? SystemVTables.semaphores(try SystemV.table(.semaphores))) ?? [] {
        let users = (0..<row.count).compactMap { try? SystemV.lastUser(of: row.object.id, semaphore: $0) }
        if users.contains(where: isOurs) { try? SystemV.remove(.semaphores, UInt32(row.object.id)) }
    }
    let queues = (try? SystemVTables.queues(try SystemV.table(.queue))) ?? []
    for row in queues where isOurs(row.lastSender) || isOurs(row.lastReceiver) {
        try? SystemV.remove(.queue, UInt32(row.object.id))
    }
}
