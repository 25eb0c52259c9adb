/// The keys of `allow`.
enum AllowanceKeys {
    static let allow: KeyTable<Allowances> = KeyTable("'allow'", Allowances()) {
        Key(
            "shell-job", \.shellJob, .boolean,
            "Session leader and pty master stay outside; a restore joins the caller's.", default: "false")
        Key(
            "ext-unix-sk", \.extUnixSockets, .ruled(unixSocket.type()), "Outside ends of unix sockets.",
            default: "false")
        Key(
            "evasive-devices", \.evasiveDevices, .ruled(.device),
            "Devices whose path is gone or covered.",
            default: "false")
        Key(
            "link-remap", \.linkRemap, .boolean,
            "Unlinked here, linked elsewhere: a temporary hard link.",
            default: "false")
        Key(
            "ghost-limit", \.ghostLimit, .ghostLimit,
            "Deleted files travel in the image up to this size each.",
            default: "1MiB")
        Key(
            "tcp-established", \.tcpEstablished, .ruled(tcp.type()),
            "Connections whose remote end is outside; true keeps them locked.", default: "false")
        Key(
            "tcp-in-flight", \.tcpInFlight, .choice, "Connections half-way through accept or connect.",
            default: "deny")
        Key(
            "stdio", \.stdio, .list(of: stdio.type(), "rules"),
            "Standard streams that lead out of the tree.")
        Key("ext-pipes", \.extPipes, .choice, "Other pipes whose far end is outside.", default: "deny")
        Key(
            "file-locks", \.fileLocks, .choice, "Nothing holds a lock between kill and restore.",
            default: "deny")
        Key("fsnotify", \.fsnotify, .choice, "Watches on objects that cannot be named.", default: "deny")
        Key("ext-mount-map", \.extMountMap, .externalMounts, "Mount point inside to source at restore.")
        Key("veth", \.veth, .list(of: veth.type(), "rules"), "Network pairs with one end inside.")
        Key("external", \.external, .list(of: .external, "texts"), "CRIU's --external spellings.")
    }

    static let unixSocket: KeyTable<UnixSocketRule> = KeyTable("a rule of 'ext-unix-sk'", UnixSocketRule()) {
        Key("path", optional: \.path, .glob, "On the peer's bound name, @name for an abstract one.")
        Key("type", \.type, .choice, "The socket's type.", default: "dgram")
        Key("on-restore", \.onRestore, .choice, "What a restore makes of it.", default: "reconnect")
    }

    static let tcp: KeyTable<TCPRule> = KeyTable("a rule of 'tcp-established'", TCPRule()) {
        Key("peer", \.peer, .network, "An address, a network, or any.", default: "any")
        Key("peer-port", optional: \.peerPort, .ports, "A port, a range, or a list.")
        Key("local-port", optional: \.localPort, .ports, "A port, a range, or a list.")
        Key("action", \.action, .choice, "What becomes of the connection.", required: true)
    }

    static let stdio: KeyTable<StdioRule> = KeyTable("a rule of 'stdio'", StdioRule()) {
        Key("kind", \.kind, .choice, "What the stream is.", default: "any")
        Key("on-restore", \.onRestore, .stdioTarget, "inherit, null, or file:PATH.", required: true)
    }

    static let veth: KeyTable<VethRule> = KeyTable("a rule of 'veth'", VethRule()) {
        Key("inner", \.inner, .text, "The interface inside.", required: true)
        Key("outer", optional: \.outer, .text, "The interface outside; the kernel names it without.")
        Key("bridge", optional: \.bridge, .text, "The bridge that the outer end joins.")
    }
}
