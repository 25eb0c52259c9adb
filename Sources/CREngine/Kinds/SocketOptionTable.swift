/// Options of sockets that CRIU's images have no field for. What a program changed travels in `crplan.json`.
///
/// Each can be set to the value that it was read with. An option that a socket does not have is skipped, as a new
/// socket of the same kind refuses it too.
enum SocketOptionTable {
    struct Row: Sendable {
        let level: Int32
        let name: Int32
        /// Bytes.
        var size = 4
        /// The protocol changes it by itself once there is a connection.
        var changesWhenConnected = false
        /// Sockets of streams do not take it.
        var isForDatagrams = false
    }

    static let rows: [Row] =
        // SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING in both sizes of time, SO_RXQ_OVFL, SO_WIFI_STATUS, SO_PEEK_OFF,
        // SO_SELECT_ERR_QUEUE, SO_BUSY_POLL, SO_MAX_PACING_RATE, SO_ZEROCOPY, SO_TXREHASH, SO_RCVMARK, SO_PASSPIDFD,
        // SO_RCVPRIORITY, SO_PASSRIGHTS, SO_INQ
        [29, 35, 37, 40, 41, 42, 45, 46, 47, 60, 63, 64, 65, 74, 75, 76, 82, 83, 84].map {
            Row(level: SocketOption.socketLevel, name: $0)
        }
        // IP_RECVOPTS, RETOPTS, MTU_DISCOVER, RECVERR, RECVTTL, RECVTOS, PASSSEC, TRANSPARENT, RECVORIGDSTADDR, MINTTL,
        // CHECKSUM, BIND_ADDRESS_NO_PORT, RECVFRAGSIZE, RECVERR_RFC4884, UNICAST_IF, LOCAL_PORT_RANGE
        + [6, 7, 10, 11, 12, 13, 18, 19, 20, 21, 23, 24, 25, 26, 50, 51].map {
            Row(level: SocketOption.ipLevel, name: $0)
        }
        // IP_MULTICAST_IF, MULTICAST_TTL, MULTICAST_LOOP, MULTICAST_ALL
        + [32, 33, 34, 49].map { Row(level: SocketOption.ipLevel, name: $0, isForDatagrams: true) }
        // IP_OPTIONS
        + [Row(level: SocketOption.ipLevel, name: 4, size: 40)]
        // IPV6_MULTICAST_IF, MULTICAST_HOPS, MULTICAST_LOOP, MULTICAST_ALL
        + [17, 18, 19, 29].map { Row(level: SocketOption.ipv6Level, name: $0, isForDatagrams: true) }
        // IPV6_CHECKSUM, UNICAST_HOPS, MTU_DISCOVER, RECVERR, RECVERR_RFC4884, FLOWINFO_SEND, HDRINCL, RECVPKTINFO, RECVHOPLIMIT, RECVHOPOPTS, RECVRTHDR,
        // RECVDSTOPTS, RECVPATHMTU, DONTFRAG, RECVTCLASS, TCLASS, AUTOFLOWLABEL, ADDR_PREFERENCES, MINHOPCOUNT,
        // RECVORIGDSTADDR, TRANSPARENT, UNICAST_IF, RECVFRAGSIZE, FREEBIND
        + [
            7, 16, 23, 25, 31, 33, 36, 49, 51, 53, 56, 58, 60, 62, 66, 67, 70, 72, 73, 74, 75,
            76,
            77, 78,
        ].map { Row(level: SocketOption.ipv6Level, name: $0) }
        // TCP_MAXSEG and TCP_WINDOW_CLAMP, which a connection negotiates
        + [2, 10].map { Row(level: SocketOption.tcpLevel, name: $0, changesWhenConnected: true) }
        // TCP_SYNCNT, LINGER2, DEFER_ACCEPT, THIN_LINEAR_TIMEOUTS, USER_TIMEOUT, FASTOPEN, NOTSENT_LOWAT, SAVE_SYN,
        // FASTOPEN_CONNECT, FASTOPEN_NO_COOKIE, INQ, TX_DELAY
        + [7, 8, 9, 16, 18, 23, 25, 27, 30, 34, 36, 37].map { Row(level: SocketOption.tcpLevel, name: $0) }
        // TCP_CONGESTION
        + [Row(level: SocketOption.tcpLevel, name: 13, size: 16)]
        // UDP_CORK, UDP_ENCAP, NO_CHECK6_TX, NO_CHECK6_RX, SEGMENT, GRO
        + [1, 100, 101, 102, 103, 104].map { Row(level: SocketOption.udpLevel, name: $0) }
        // UDPLITE_SEND_CSCOV, RECV_CSCOV
        + [10, 11].map { Row(level: 136, name: $0) }
        // ICMPV6_FILTER
        + [Row(level: 58, name: 1, size: 32)]
        // PACKET_TX_HAS_OFF, QDISC_BYPASS, IGNORE_OUTGOING
        + [19, 20, 23].map { Row(level: SocketOption.packetLevel, name: $0) }
        // NETLINK_PKTINFO, BROADCAST_ERROR, NO_ENOBUFS, LISTEN_ALL_NSID, CAP_ACK, EXT_ACK, GET_STRICT_CHK
        + [3, 4, 5, 8, 10, 11, 12].map { Row(level: SocketOption.netlinkLevel, name: $0) }
}
