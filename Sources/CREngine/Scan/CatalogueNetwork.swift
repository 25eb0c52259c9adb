extension FindingCode {
    /// CRP34x: what a network namespace holds. Nil for every other code.
    var networkEntry: Entry? {
        switch self {
        case .networkLink:
            Entry(
                .block, "link of a kind that is not made", criu: "external netdev[]",
                "A restore makes loopback, veth, bridge, vlan, macvlan, tun and dummy links; this one must be handed "
                    + "to it.",
                kernel:
                    "Hardware moves between namespaces and is in one at a time; links of other kinds have "
                    + "state that only their own tools know.",
                restore: "Make a link beforehand and name it: --external netdev[INNER]:NAME moves it in.")
        case .networkPair:
            Entry(
                .info, "pair with its other end outside", criu: "external veth[]",
                "A restore makes both ends: the one outside where crplan runs, with the name and the bridge of the "
                    + "policy, or with a name that the kernel gives and the report tells.",
                kernel:
                    "A veth pair is made and removed as one, so with the namespace its outer end goes too.",
                restore:
                    "What was set on the outer end, as addresses and rules, is not carried; only its name and "
                    + "its bridge are made.")
        case .networkThirdNamespace:
            Entry(
                .block, "pair with its other end in a third namespace", criu: "external veth[]",
                "The other end is neither in the tree nor where crplan runs, and a restore could make it only here; "
                    + "run crplan in that namespace, or name the end that is to be here.",
                kernel: "Each end of a veth pair can be in any namespace.",
                restore: "The outer end is made where crplan runs, with the name of the policy.")
        case .networkLowerLink:
            Entry(
                .block, "link on a link outside", criu: "external macvlan[]",
                "It stands on a link that is not in its namespace, which a restore must be told the name of.",
                kernel:
                    "A macvlan or a VLAN takes and gives its frames by the link below, which may be in another "
                    + "namespace.",
                restore:
                    "A macvlan is made on the link that --external macvlan[INNER]:NAME names; others are handed in."
            )
        case .networkObject:
            Entry(
                .block, "part of a network namespace that is not carried",
                "This part of the namespace would be missing after a restore; remove it first, or let what sets up "
                    + "the network make it again.",
                kernel: "It belongs to the namespace and ends with it.",
                restore: "None, it blocks.")
        case .networkFilter:
            Entry(
                .block, "packet filter that cannot be written down",
                "A rule has a match or target of iptables and looks into a set of its own, so neither nft's words nor the kernel's message make it again; use a rule of nft.",
                kernel:
                    "Matches and targets of iptables are bytes that nft does not read, and a set without a name can be made only together with its rule.",
                restore: "None, it blocks.")
        default: nil
        }
    }
}
