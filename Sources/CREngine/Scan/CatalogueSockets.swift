extension FindingCode {
    /// CRP2xx: sockets. Nil for every other code.
    var socketEntry: Entry? {
        switch self {
        case .unixListen:
            Entry(
                .info, "listening unix socket", criu: "unix",
                "A restore binds it to its name again, and until then nobody answers there.",
                kernel:
                    "The file of a bound path outlives its socket, and a new socket needs a new file.",
                restore: "A socket file that is left at the path is replaced, unless another server listens "
                    + "there: that is an error.")
        case .unixSocket:
            Entry(
                .block, "unix socket that cannot be examined", criu: "unix",
                "Sockets of another network namespace than ours are not listed to us, and are not carried.",
                kernel: "sock_diag(7) lists the sockets of the network namespace that asks.",
                restore: "None today, it blocks.")
        case .unixBacklog:
            Entry(
                .block, "connection that waits to be accepted and cannot be carried", criu: "unix",
                "A client outside the tree, or data that was sent before accept(2), is in a socket that no "
                    + "process has a descriptor for; wait until the program accepts it.",
                kernel: "Only accept(2) gives a descriptor of such a socket, and that would take the "
                    + "connection from the program.",
                restore: "None, it blocks. Clients inside the tree that have sent nothing connect again in "
                    + "their old order.")
        case .passedDescriptor:
            Entry(
                .block, "descriptor in a message that cannot be carried there", criu: "sk-queues",
                "It waits in a unix socket (SCM_RIGHTS), and nobody has it but the message; let it be received.",
                kernel:
                    "Terminals have to be read to be copied, and connections to be put into TCP_REPAIR, which the "
                    + "death of the tool must not leave so; epoll sets and watches bind to a process. That descriptors "
                    + "wait shows in fdinfo, and what they are only to whoever takes the message.",
                restore:
                    "None, it blocks. Files, pipes, sockets without a connection, event objects, timers, memfds "
                    + "and pidfds are carried; so is whatever the tree has open besides.")
        case .passedCredentials:
            Entry(
                .block, "message with the credentials of a process outside the tree", criu: "sk-queues",
                "It waits in a unix socket (SCM_CREDENTIALS), and the process that it names need not be there at the "
                    + "restore; let it be received.",
                kernel: "The kernel takes credentials of another process from root, if the process exists.",
                restore: "None, it blocks.")
        case .unixOutside:
            Entry(
                .block, "unix socket whose peer is outside the tree", criu: "ext-unix-sk",
                remedy: "allow: {ext-unix-sk: [{path: PEER, type: any, on-restore: reconnect}]}",
                "The peer is outside the tree, so both ends cannot be frozen together.",
                kernel:
                    "Two unix sockets are tied to each other, and no call can tie a new one to a peer that "
                    + "is connected already.",
                restore: "reconnect: the socket is connected to the name again by the program itself, with "
                    + "its own rights, and what was under way is lost. close: the program sees a peer that "
                    + "went away.")
        case .unixNameless:
            Entry(
                .block, "unix socket whose outside peer has no name", criu: "ext-unix-sk",
                remedy: "allow: {ext-unix-sk: [{type: any, on-restore: close}]}",
                "Only a peer that is bound to a whole path or to an abstract name can be connected to again.",
                kernel: "A socket of socketpair(2), or one bound to a path relative to a directory that is "
                    + "not known, cannot be found by connect(2).",
                restore: "close: the program sees a peer that went away.")
        case .unixOutsideData:
            Entry(
                .block, "unix connection to the outside with unread data", criu: "ext-unix-sk",
                remedy: "allow: {ext-unix-sk: [{path: PEER, type: any, on-restore: close}]}",
                "A stream with bytes under way would begin anew in the middle; wait until both queues are "
                    + "empty.",
                kernel: "What was sent and not read is in the peer's queue, which stays with the peer.",
                restore: "close: the program reads what it has, then sees a peer that went away.")
        case .tcpListen:
            Entry(
                .info, "listening tcp socket", criu: "tcp",
                "It is carried; between kill and restore its port is free for others.",
                kernel:
                    "A socket that listens is its address, its backlog and its options, all of which getsockopt(2) "
                    + "and sock_diag(7) tell. The kernel keeps no port for a socket that is gone.",
                restore: "A restore fails by name where somebody else has the port by then.")
        case .tcpEstablished:
            Entry(
                .block, "established tcp connection", criu: "tcp-established",
                remedy: "allow: {tcp-established: true}",
                "The peer cannot be frozen together with the tree, and must not give up before the restore.",
                kernel:
                    "Sequence numbers, windows and both queues are in the kernel on both hosts. TCP_REPAIR "
                    + "of tcp(7) can read and set ours, and the peer must not notice the pause.",
                restore: "keep: the connection is locked by a packet filter until the restore, and the peer "
                    + "must not give up before. close: the program sees a closed connection.")
        case .tcpInFlight:
            Entry(
                .block, "tcp connection that is being made or closed", criu: "skip-in-flight",
                remedy: "allow: {tcp-in-flight: skip}",
                "A connection half-way through its handshake, or one that waits for accept(2), has state that "
                    + "cannot be read.",
                kernel:
                    "TCP_REPAIR reads connections that a process has a descriptor for; those in SYN-SENT, "
                    + "SYN-RECV or waiting in a backlog have none or no complete state.",
                restore: "skip: the peer connects again by itself, and for it the first try has failed.")
        case .tcpLayer:
            Entry(
                .block, "tcp with a layer of the kernel on it",
                "The kernel encrypts or signs this connection with keys that nobody can read back; have the "
                    + "program do it itself (for TLS: without kTLS).",
                kernel: "Keys and record state of TCP_ULP and TCP_MD5SIG can be set and not be read.",
                restore: "None, it blocks.")
        case .datagramsLost:
            Entry(
                .warn, "unread datagrams", criu: "udp",
                "They are dropped, as a network may do with any datagram; the running program keeps them "
                    + "where it is left running.",
                kernel:
                    "No call puts a datagram of a given sender into a queue, and CRIU drops them as well.",
                restore: "The program waits for them as if the network had lost them.")
        case .netlinkAnswers:
            Entry(
                .block, "unread netlink messages", criu: "netlink",
                "Answers of the kernel wait to be read, and nobody else can put them back; try again when the "
                    + "program has read them.",
                kernel: "Only the kernel sends messages with its own address as the sender.",
                restore: "None, it blocks.")
        case .packetRing:
            Entry(
                .block, "ring buffer of a packet socket", criu: "packet",
                "This build does not carry ring buffers; let the program read frames with recvmsg(2).",
                kernel: "Ring buffers are memory of the socket that the program has mapped.",
                restore: "None, it blocks.")
        case .multipathTCP:
            Entry(
                .block, "multipath tcp socket",
                "No engine can carry MPTCP; run the program with plain tcp: without mptcpize(8), for programs in "
                    + "Go with GODEBUG=multipathtcp=0, or with sysctl net.mptcp.enabled=0.",
                kernel: "TCP_REPAIR knows plain TCP only: keys, tokens and subflows of MPTCP cannot be read.",
                restore: "None, it blocks.")
        case .sharedSocket:
            Entry(
                .block, "socket that processes outside the tree hold too",
                "It lives on outside when the tree is gone, so nobody could make it again; dump it together with "
                    + "its other holders, or have them close it.",
                kernel:
                    "A socket ends with its last descriptor; its port and its connection are taken until then.",
                restore: "None, it blocks.")
        case .otherSocket:
            Entry(
                .block, "socket of another family",
                "No engine carries sockets of this family; close it for the dump, or have the program make it anew.",
                kernel:
                    "Each family of sockets keeps its state in code of its own, which has no way to set it.",
                restore: "None, it blocks.")
        case .connectionGoesOn:
            Entry(
                .block, "connection that goes on after the checkpoint", criu: "tcp-established",
                remedy: "dump: {established-tcp: allow}",
                "After leave-running both ends go on, so the connection of the checkpoint is history by the "
                    + "time of a restore and will break there.",
                kernel: "Sequence numbers move on with every byte that both ends exchange after the pause.",
                restore: "The restored end is out of step with its peer, so the connection breaks.")
        case .lockProgram:
            Entry(
                .block, "connections that iptables cannot hold", criu: "network-lock",
                remedy: "dump: {network-lock: nftables}",
                "Connections must be held still while they are read, and the policy names a program for it that is "
                    + "not here; install iptables, or let nftables do it, which needs no program.",
                kernel: "A segment that passes while a connection is read makes what was read wrong.",
                restore: "A restore takes the rules away, and needs the program for that too.")
        case .urgentBytes:
            Entry(
                .block, "urgent or otherwise unreadable bytes",
                "Bytes that were sent with MSG_OOB wait in the socket; let the program read them.",
                kernel: "No peek shows an urgent byte in its place, and a restored queue has no mark for it.",
                restore: "None, it blocks. Only the frozen tree shows it.")
        case .heldDatagram:
            Entry(
                .block, "datagram that is held back", criu: "udp",
                "Parts of a datagram wait for the rest (UDP_CORK, MSG_MORE), and nobody can read them; let the "
                    + "program finish it.",
                kernel: "What is held back is in the send queue, which is only counted.",
                restore: "None, it blocks.")
        case .socketProgram:
            Entry(
                .block, "socket with a program of bpf(2)", criu: "socket filter",
                "The program of its filter cannot be read back; detach it (SO_DETACH_BPF) before the dump.",
                kernel: "getsockopt(2) gives classic filters and refuses others.",
                restore: "None, it blocks. Only the frozen tree shows it.")
        case .waitingError:
            Entry(
                .block, "error that waits in a socket",
                "The program has yet to see an error, or what came before it, and nothing puts either into another "
                    + "socket; wait until it has looked.",
                kernel:
                    "SO_ERROR is cleared by whoever reads it, and set by the network alone. A connection of TCP "
                    + "that was reset is in no list of sock_diag(7).",
                restore:
                    "None, it blocks. Only the frozen tree shows it. Where the program has seen it, the socket "
                    + "comes back as a closed one.")
        case .udpTunnel:
            Entry(
                .block, "udp socket of a tunnel", criu: "udp",
                "A module of the kernel takes its datagrams (UDP_ENCAP), and has state that nobody can read.",
                kernel:
                    "L2TP, GTP and the like hang their tunnels on a socket; only the type can be read. That of "
                    + "IPsec (UDP_ENCAP_ESPINUDP) needs no more and is carried.",
                restore: "None, it blocks. Only the frozen tree shows it.")
        default: nil
        }
    }
}
