/// SOL_SOCKET options of a socket of any family; see socket(7). Nil where CRIU wrote none.
package struct SocketOptionsImage: Equatable, Sendable {
    /// A time of SO_SNDTIMEO or SO_RCVTIMEO; zero is for ever.
    package struct Timeout: Equatable, Sendable {
        package var seconds: UInt64 = 0
        package var microseconds: UInt64 = 0
        package init() {}
    }
    /// Bytes as getsockopt(2) reports them, twice what was asked for.
    package var sendBuffer: UInt32 = 0
    package var receiveBuffer: UInt32 = 0
    package var sendTimeout = Timeout()
    package var receiveTimeout = Timeout()
    package var reusesAddress: Bool?
    package var priority: UInt32?
    package var receiveLowWater: UInt32?
    package var mark: UInt32?
    package var passesCredentials: Bool?
    package var passesSecurity: Bool?
    package var dontRoute: Bool?
    package var noCheck: Bool?
    /// SO_BINDTODEVICE.
    package var boundDevice: String?
    /// Classic BPF, an instruction a word: code<<48 | jt<<40 | jf<<32 | k.
    package var filter: [UInt64] = []
    package var reusesPort: Bool?
    package var broadcasts: Bool?
    package var keepsAlive: Bool?
    package var keepCount: UInt32?
    package var keepIdle: UInt32?
    package var keepInterval: UInt32?
    package var inlinesUrgent: UInt32?
    /// Seconds; nil where SO_LINGER is off.
    package var linger: UInt32?
    /// SO_BUF_LOCK: 1 the send buffer, 2 the receive buffer was set by the program.
    package var bufferLocks: UInt32?
    package init() {}
}
