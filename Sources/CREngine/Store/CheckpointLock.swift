/// The lock of a checkpoint's connections on this host, by what its manifest has of it.
extension Manifest.NetworkLockRecord {
    /// For messages.
    package var name: String { table.map { "table inet \($0)" } ?? "rules of iptables" }

    /// Whether it is there still, the whole of it.
    package func isHeld() throws(PacketFilter.Failure) -> Bool {
        if let table { return try NetworkLock.tables().contains(table) }
        let ends = try ends()
        return try IPTables.held(of: ends).count == ends.count
    }

    /// Takes it away; false where nothing of it was there.
    package func remove() throws(PacketFilter.Failure) -> Bool {
        if let table { return try NetworkLock.remove(table: table) }
        return try IPTables.remove(try ends())
    }

    private func ends() throws(PacketFilter.Failure) -> Set<ConnectionLock.Ends> {
        var all: Set<ConnectionLock.Ends> = []
        for text in connections {
            let parts = text.split(separator: " ")
            guard parts.count == 3, let local = InetEndpoint(parts[0]), let remote = InetEndpoint(parts[2])
            else { throw PacketFilter.Failure(description: "\(text) is no connection") }
            all.insert(ConnectionLock.Ends(local: local, remote: remote))
        }
        return all
    }
}
