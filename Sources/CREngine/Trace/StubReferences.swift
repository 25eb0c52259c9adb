/// Whether a thread may still come back to a stub that a dead tracer left.
///
/// A thread that heals gets its signal mask back before its registers, so a signal that waited is delivered amid the
/// stub: the handler's frame holds an address in the stub, and the stub must stay until the handler has returned. The
/// frame lies in the mapping of the stack on which the handler runs, above its stack pointer.
enum StubReferences {
    private static let chunk = 64 << 10

    /// All threads must be stopped. A thread of which too little is known counts as one that comes back.
    static func exist(_ pid: PID, to stub: RemoteAddress) throws(Errno) -> Bool {
        let range = stub.rawValue..<stub.rawValue + UInt64(HealingStub.size)
        let areas = try RemotePlaces.areas(pid)
        for tid in TaskList.threads(of: pid) {
            guard let place = TaskList.stackAndCode(pid, tid) else { return true }
            if range.contains(place.code) { return true }
            guard let area = areas.first(where: { $0.start <= place.stack && place.stack < $0.end }) else {
                continue
            }
            if try contains(pid, from: place.stack & ~7, to: area.end, range) { return true }
        }
        return false
    }

    /// True where a word between the addresses is an address in the range.
    private static func contains(
        _ pid: PID, from start: UInt64, to end: UInt64, _ range: Range<UInt64>
    ) throws(Errno) -> Bool {
        var address = start
        while address < end {
            let count = Int(min(end - address, UInt64(chunk)))
            let bytes = try RemoteMemory.bytes(pid, RemoteAddress(address), count: count)
            let isFound = bytes.withUnsafeBytes { raw in
                var offset = 0
                while offset + 8 <= raw.count {
                    let word = raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    if word >= range.lowerBound && word < range.upperBound { return true }
                    offset += 8
                }
                return false
            }
            if isFound { return true }
            address += UInt64(count)
        }
        return false
    }
}
