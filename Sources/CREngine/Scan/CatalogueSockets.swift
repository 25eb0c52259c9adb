extension FindingCode {
    /// CRP2xx: sockets. Nil for every other code.
    var socketEntry: Entry? {
        switch self {
        case .unixPair:
            Entry(
                .block, "unix socket connected inside the tree", criu: "unix",
                "This build does not carry unix sockets yet.",
                kernel: "Queued messages and passed descriptors are in the kernel, and only peeking "
                    + "(SO_PEEK_OFF) reads them without taking them.",
                restore: "None today, it blocks.")
        case .unixListen:
            Entry(
                .block, "listening unix socket", criu: "unix",
                "This build does not carry unix sockets yet.",
                kernel:
                    "Connections that wait for accept(2) are sockets that no process has a descriptor for.",
                restore: "None today, it blocks.")
        case .unixSocket:
            Entry(
                .block, "unix socket without a peer", criu: "unix",
                "This build does not carry unix sockets yet.",
                kernel: "Name, options and unread messages are in the kernel.",
                restore: "None today, it blocks.")
        case .unixOutside:
            Entry(
                .block, "unix socket whose peer is outside the tree", criu: "ext-unix-sk",
                "The peer is outside the tree, so both ends cannot be frozen together, and this build "
                    + "does not reconnect sockets yet.",
                kernel:
                    "Two unix sockets are tied to each other, and no call can tie a new one to a peer that "
                    + "is connected already.",
                restore: "reconnect: a datagram socket is connected to the name again, what was under way is "
                    + "lost. close: the program sees a peer that went away.")
        case .tcpListen:
            Entry(
                .block, "listening tcp socket", criu: "tcp",
                "This build does not carry tcp sockets yet.",
                kernel:
                    "Connections that wait for accept(2) are sockets that no process has a descriptor for, "
                    + "and the port is free for others as soon as the socket is gone.",
                restore: "None today, it blocks.")
        case .tcpEstablished:
            Entry(
                .block, "established tcp connection", criu: "tcp-established",
                "The peer cannot be frozen together with the tree, and this build does not carry tcp "
                    + "connections yet.",
                kernel:
                    "Sequence numbers, windows and both queues are in the kernel on both hosts. TCP_REPAIR "
                    + "of tcp(7) can read and set ours, and the peer must not notice the pause.",
                restore: "keep: the connection is locked by a packet filter until the restore, and the peer "
                    + "must not give up before. close: the program sees a closed connection.")
        case .tcpInFlight:
            Entry(
                .block, "tcp connection that is being made or closed", criu: "skip-in-flight",
                "A connection half-way through its handshake has state that cannot be read; wait "
                    + "until it settles.",
                kernel: "TCP_REPAIR reads connections that are established or closed; those in SYN-SENT, "
                    + "SYN-RECV or waiting in a backlog have no complete state.",
                restore: "skip: the peer connects again by itself, and for it the first try has failed.")
        case .tcpIdle:
            Entry(
                .block, "tcp socket without a connection", criu: "tcp",
                "This build does not carry tcp sockets yet.",
                kernel: "Bound address and options are in the kernel and can be read by getsockopt(2).",
                restore: "None today, it blocks.")
        case .udp:
            Entry(
                .block, "udp socket", criu: "udp", "This build does not carry udp sockets yet.",
                kernel: "Unread datagrams are in the kernel with the address of their sender.",
                restore: "None today, it blocks.")
        case .netlink:
            Entry(
                .block, "netlink socket", criu: "netlink",
                "This build does not carry netlink sockets yet.",
                kernel: "Answers that were not read yet, and membership of groups, are in the kernel.",
                restore: "None today, it blocks.")
        case .packet:
            Entry(
                .block, "packet socket", criu: "packet",
                "This build does not carry packet sockets yet.",
                kernel: "Ring buffers, filters and fan-out groups are in the kernel.",
                restore: "None today, it blocks.")
        case .otherSocket:
            Entry(
                .block, "socket of another family",
                "This build does not carry sockets of this family.",
                kernel: "Each family of sockets keeps its state in code of its own, and this build has none "
                    + "for it.",
                restore: "None, it blocks.")
        case .connectionGoesOn:
            Entry(
                .block, "connection that goes on after the checkpoint", criu: "tcp-established",
                remedy: "dump: {established-tcp: allow}",
                "After leave-running both ends go on, so the connection of the checkpoint is history by the "
                    + "time of a restore and will break there.",
                kernel: "Sequence numbers move on with every byte that both ends exchange after the pause.",
                restore: "The restored end is out of step with its peer, so the connection breaks.")
        default: nil
        }
    }
}
