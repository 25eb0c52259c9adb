package import PolicyModel

/// Which of a policy's allowances some tree has a use for. Pure.
///
/// Of an allowance by rules each rule counts for itself; the first that fits a thing is the one that is used.
package struct AllowanceUse: Sendable, Equatable {
    private let allow: Allowances
    /// Key paths, `allow.tcp-established[1]`.
    private var used: Set<String> = []

    package init(_ allow: Allowances) { self.allow = allow }

    /// Takes note of what one tree has a use for. `findings` are those of the tree.
    package mutating func look(at snapshot: Snapshot, _ findings: [Finding]) {
        let context = ScanContext(snapshot: snapshot, allow: allow)
        for finding in findings {
            for (key, codes) in AllowanceUse.codes where codes.contains(finding.code) { used.insert(key) }
            if finding.code == .stdioOutside { lookAtStream(finding, snapshot) }
        }
        for file in snapshot.openFiles {
            if let socket = snapshot.sockets[file.inode], file.link.hasPrefix("socket:[") {
                lookAtSocket(socket, isOutside: !context.socketInodes.contains(socket.peerInode))
            } else if let facts = file.facts,
                facts.type == .characterDevice || facts.type == .blockDevice, file.reach != .same
            {
                note("evasive-devices", allow.evasiveDevices) { rule in
                    switch rule {
                    case .path(let glob): glob.matches(file.link)
                    case .number(let major, let minor): facts.represents == DeviceNumber(major, minor)
                    }
                }
            }
        }
    }

    /// What is allowed and nothing has used, by key path, in the order of the language.
    package var unused: [String] { AllowanceUse.keys(of: allow).filter { !used.contains($0) } }

    /// Allowances that are not given by rules, and the findings that they speak of.
    private static let codes: [String: Set<FindingCode>] = [
        "allow.shell-job": [.shellJob, .groupOutside, .controllingTerminal, .terminal],
        "allow.ext-unix-sk": [.unixOutside, .unixNameless, .unixOutsideData],
        "allow.tcp-established": [.tcpEstablished],
        "allow.link-remap": [.nameGone],
        "allow.ghost-limit": [.ghostFile, .ghostTooLarge],
        "allow.tcp-in-flight": [.tcpInFlight],
        "allow.ext-pipes": [.pipeOutside],
        "allow.file-locks": [.flock, .posixLock, .openFileLock, .lease, .lockOutside],
        "allow.fsnotify": [.inotify, .fanotify],
        "allow.ext-mount-map": [.mountNamespace, .mountExternal],
        "allow.veth": [.networkPair, .networkThirdNamespace],
        "allow.external": [
            .mountNamespace, .networkNamespace, .pidNamespace, .networkPair, .networkThirdNamespace,
            .networkLowerLink, .networkLink, .device,
            .externalFile, .terminal, .unixOutside,
            .pathReplaced, .mountExternal, .mountUnsupported, .mountSkipped, .mountMaster, .mountPeers,
        ],
    ]

    /// Key paths of all that a policy allows.
    private static func keys(of allow: Allowances) -> [String] {
        let denied = Allowances()
        var keys: [String] = []
        func add(_ name: String, _ isSet: Bool) { if isSet { keys.append("allow.\(name)") } }
        func rules(_ name: String, _ count: Int) { keys += (0..<count).map { "allow.\(name)[\($0)]" } }
        func ruled<Rule>(_ name: String, _ allowance: RuledAllowance<Rule>) {
            switch allowance {
            case .denied: break
            case .all: keys.append("allow.\(name)")
            case .rules(let list): rules(name, list.count)
            }
        }
        add("shell-job", allow.shellJob)
        ruled("ext-unix-sk", allow.extUnixSockets)
        ruled("evasive-devices", allow.evasiveDevices)
        add("link-remap", allow.linkRemap)
        add("ghost-limit", allow.ghostLimit != denied.ghostLimit)
        ruled("tcp-established", allow.tcpEstablished)
        add("tcp-in-flight", allow.tcpInFlight != .deny)
        rules("stdio", allow.stdio.count)
        add("ext-pipes", allow.extPipes != .deny)
        add("file-locks", allow.fileLocks != .deny)
        add("fsnotify", allow.fsnotify != .deny)
        add("ext-mount-map", allow.extMountMap != .none)
        add("veth", !allow.veth.isEmpty)
        add("external", !allow.external.isEmpty)
        return keys
    }

    private mutating func lookAtSocket(_ socket: SocketFacts, isOutside: Bool) {
        switch socket.family {
        case .unix where socket.peerInode != 0 && isOutside:
            note("ext-unix-sk", allow.extUnixSockets) { rule in
                rule.speaks(ofType: socket.type, peerName: socket.peerName)
            }
        case .tcp where !socket.remoteAddress.isEmpty:
            note("tcp-established", allow.tcpEstablished) { rule in
                rule.matches(
                    peer: socket.remoteAddress, peerPort: socket.remotePort, localPort: socket.localPort)
            }
        default: break
        }
    }

    private mutating func lookAtStream(_ finding: Finding, _ snapshot: Snapshot) {
        let file = snapshot.openFiles.first { file in
            snapshot.task(finding.object.pid ?? file.pid)?.descriptors.contains {
                $0.fd == finding.object.fd && $0.file == file.id
            } ?? false
        }
        guard let file else { return }
        let kind: StdioRule.Kind =
            file.link.hasPrefix("pipe:[") ? .pipe : file.link.hasPrefix("socket:[") ? .streamSocket : .tty
        if let place = allow.stdio.firstIndex(where: { $0.kind == kind || $0.kind == .any }) {
            used.insert("allow.stdio[\(place)]")
        }
    }

    private mutating func note<Rule>(
        _ name: String, _ allowance: RuledAllowance<Rule>, _ fits: (Rule) -> Bool
    ) {
        switch allowance {
        case .denied: break
        case .all: used.insert("allow.\(name)")
        case .rules(let rules):
            if let place = rules.firstIndex(where: fits) { used.insert("allow.\(name)[\(place)]") }
        }
    }
}
