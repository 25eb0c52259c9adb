/// A TCP connection as TCP_REPAIR of tcp(7) reads and makes it.
///
/// Sequence numbers are those of the end of each queue, as TCP_QUEUE_SEQ gives them: a FIN that was sent or received is
/// counted in them, and in no length.
package struct TCPStreamImage: Equatable, Sendable {
    /// TCPI_OPT_* of struct tcp_info that a peer agreed to.
    package struct Options: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let timestamps = Options(rawValue: 1)
        package static let selectiveAcknowledgement = Options(rawValue: 2)
        package static let windowScale = Options(rawValue: 4)
    }
    /// struct tcp_repair_window.
    package struct Window: Equatable, Sendable {
        package var sequence: UInt32 = 0
        package var send: UInt32 = 0
        package var greatest: UInt32 = 0
        package var receive: UInt32 = 0
        package var receiveUpdate: UInt32 = 0
        package init() {}
    }
    package var received: [UInt8] = []
    package var receiveSequence: UInt32 = 0
    /// What the peer has not acknowledged, then what was never sent.
    package var sent: [UInt8] = []
    /// Bytes at the end of `sent` that were never sent.
    package var unsent = 0
    package var sendSequence: UInt32 = 0
    package var options: Options = []
    package var sendScale: UInt32 = 0
    package var receiveScale: UInt32 = 0
    package var segmentLimit: UInt32 = 0
    /// TCP_TIMESTAMP; only with `timestamps`.
    package var timestamp: UInt32?
    package var window: Window?
    package init() {}
}
