/// Entries of connection tracking and its expectations: ctnetlink of netfilter.
enum ConnectionTracking {
    /// NFNL_SUBSYS_CTNETLINK and NFNL_SUBSYS_CTNETLINK_EXP, in the upper half of a message's type.
    private static let entries: UInt16 = 1 << 8
    private static let expectations: UInt16 = 2 << 8
    private static let new: UInt16 = 0
    private static let get: UInt16 = 1
    private static let headSize = 4
    private static let families: [UInt8] = [RouteNetlink.Family.four, RouteNetlink.Family.six]

    static func readEntries() throws(NetworkError) -> [NetlinkMessage] { try read(entries) }
    static func readExpectations() throws(NetworkError) -> [NetlinkMessage] { try read(expectations) }

    private static func read(_ subsystem: UInt16) throws(NetworkError) -> [NetlinkMessage] {
        do throws(NetlinkConnection.Refusal) {
            var connection = try open()
            var found: [NetlinkMessage] = []
            for family in families {
                found += try connection.dump(
                    NetlinkMessage(type: subsystem | get, body: [family, 0, 0, 0]))
            }
            return found
        } catch {
            // The kernel tracks no connections.
            if error.errno == .invalid || error.errno.rawValue == 93 { return [] }
            throw error.about("network namespace", "its tracked connections cannot be read")
        }
    }

    private static func open() throws(NetlinkConnection.Refusal) -> NetlinkConnection {
        do throws(Errno) {
            return try NetlinkConnection(.netfilter)
        } catch {
            throw NetlinkConnection.Refusal(errno: error)
        }
    }

    /// Makes entries, and then what they make expected.
    static func restore(
        _ tracked: [NetlinkMessage], _ expected: [NetlinkMessage]
    ) throws(NetworkError) {
        if tracked.isEmpty && expected.isEmpty { return }
        do throws(NetlinkConnection.Refusal) {
            var connection = try open()
            for var message in tracked.map(usable) + expected {
                message.flags =
                    NetlinkConnection.Flag.create | NetlinkConnection.Flag.exclusive
                do throws(NetlinkConnection.Refusal) {
                    try connection.perform(message)
                } catch {
                    // A stock `criu` writes all entries into the file of the expectations again.
                    if error.errno != .exists { throw error }
                }
            }
        } catch {
            throw error.about("network namespace", "its tracked connections cannot be made")
        }
    }

    private enum Attribute {
        static let protocolState: UInt16 = 4
        static let status: UInt16 = 3
        static let mark: UInt16 = 8
        static let tcp: UInt16 = 1
        static let tcpOriginalFlags: UInt16 = 4
        static let tcpReplyFlags: UInt16 = 5
        /// What tells of an entry and makes none: counters (9, 10), its use (11), its id (12), a time stamp (20) and so on.
        static let onlyTold: Set<UInt16> = [9, 10, 11, 12, 20, 23]
    }
    /// IP_CT_TCP_FLAG_BE_LIBERAL: windows are not known, so nothing is out of them.
    private static let liberal: UInt8 = 8

    static func usable(_ message: NetlinkMessage) -> NetlinkMessage {
        var attributes = message.attributes(after: headSize)
        attributes.removeAll { Attribute.onlyTold.contains($0.type) }
        attributes = attributes.map { attribute in
            guard attribute.type == Attribute.protocolState else { return attribute }
            let inner = attribute.nested.map { state in
                guard state.type == Attribute.tcp else { return state }
                let tcp = state.nested.map { field in
                    [Attribute.tcpOriginalFlags, Attribute.tcpReplyFlags].contains(field.type)
                        && field.value.count >= 2
                        ? NetlinkAttribute(
                            field.rawType, [field.value[0] | liberal, field.value[1] | liberal])
                        : field
                }
                return NetlinkAttribute(Attribute.tcp, nesting: tcp)
            }
            return NetlinkAttribute(Attribute.protocolState, nesting: inner)
        }
        return NetlinkMessage(
            type: message.type,
            body: Array(message.body.prefix(headSize)) + attributes.flatMap(\.bytes))
    }
}
