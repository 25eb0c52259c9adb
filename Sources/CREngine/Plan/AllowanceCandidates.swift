import PolicyModel

/// What could make one blocking finding go away, the narrowest first.
struct AllowanceCandidates {
    let snapshot: Snapshot

    /// One change, and which rules of the policy it has to come before.
    struct Candidate {
        var change: AllowanceChange
        var before = AllowanceChange.RuleFit()
    }

    /// Nothing where no allowance speaks of the finding.
    func changes(for finding: Finding) -> [Candidate] {
        switch finding.code {
        case .shellJob, .groupOutside, .controllingTerminal, .terminal, .terminalMaster:
            [Candidate(change: .shellJob)] + stream(finding)
        case .unixOutside, .unixNameless, .unixOutsideData: socket(finding).map(unixSocket) ?? []
        case .tcpEstablished: socket(finding).map(tcp) ?? []
        case .tcpInFlight: [Candidate(change: .tcpInFlight)] + (socket(finding).map(tcp) ?? [])
        case .nameGone: [Candidate(change: .linkRemap)]
        case .ghostTooLarge: ghost(finding)
        case .stdioOutside: stream(finding) + [Candidate(change: .shellJob)]
        case .pipeOutside: [ExternalPipes.inherit, .null].map { Candidate(change: .extPipes($0)) }
        case .flock, .posixLock, .openFileLock, .lease:
            [PolicyModel.FileLocks.owned, .any].map { Candidate(change: .fileLocks($0)) }
        case .lockOutside: [Candidate(change: .fileLocks(.any))]
        case .inotify, .fanotify: [Candidate(change: .fsnotify)]
        case .evasiveDevice: device(finding)
        case .device:
            file(finding).flatMap(ExternalDevice.key).map { [Candidate(change: .external($0))] } ?? []
        default: []
        }
    }

    private func file(_ finding: Finding) -> OpenFile? {
        guard let pid = finding.object.pid, let fd = finding.object.fd,
            let descriptor = snapshot.task(pid)?.descriptors.first(where: { $0.fd == fd })
        else { return nil }
        return snapshot[descriptor.file]
    }

    private func socket(_ finding: Finding) -> SocketFacts? {
        file(finding).flatMap { snapshot.sockets[$0.inode] }
    }

    private func unixSocket(_ socket: SocketFacts) -> [Candidate] {
        var rule = UnixSocketRule()
        rule.type =
            switch socket.type {
            case 1: .stream
            case 2: .dgram
            case 5: .seqpacket
            default: .any
            }
        if !socket.peerName.isEmpty { rule.path = Glob(literally: socket.peerName) }
        return [UnixSocketRule.OnRestore.reconnect, .close].map { ending in
            rule.onRestore = ending
            var candidate = Candidate(change: .unixSocket(rule))
            candidate.before.unixSocket = { $0.speaks(ofType: socket.type, peerName: socket.peerName) }
            return candidate
        }
    }

    /// By the side that has the well-known port: the one that listens here, else the peer's.
    private func tcp(_ socket: SocketFacts) -> [Candidate] {
        let listens = snapshot.sockets.values.contains {
            $0.family == .tcp && $0.state == .listen && $0.localPort == socket.localPort
        }
        var rule = TCPRule()
        if listens {
            rule.localPort = PortSet([socket.localPort...socket.localPort])
        } else {
            rule.peer = IPNetwork(bytes: socket.remoteAddress)
            rule.peerPort = PortSet([socket.remotePort...socket.remotePort])
        }
        return [TCPRule.Action.keep, .close].map { action in
            rule.action = action
            var candidate = Candidate(change: .tcpEstablished(rule))
            candidate.before.tcp = {
                $0.matches(
                    peer: socket.remoteAddress, peerPort: socket.remotePort, localPort: socket.localPort)
            }
            return candidate
        }
    }

    private func stream(_ finding: Finding) -> [Candidate] {
        guard let file = file(finding), let fd = finding.object.fd, fd <= 2 else { return [] }
        var rule = StdioRule()
        rule.kind =
            file.link.hasPrefix("pipe:[") ? .pipe : file.link.hasPrefix("socket:[") ? .streamSocket : .tty
        let kind = rule.kind
        return [StdioRule.OnRestore.inherit, .null].map { target in
            rule.onRestore = target
            var candidate = Candidate(change: .stdio(rule))
            candidate.before.stdio = { $0.kind == kind || $0.kind == .any }
            return candidate
        }
    }

    /// The limit that the largest deleted file of the tree needs.
    private func ghost(_ finding: Finding) -> [Candidate] {
        let opened = snapshot.openFiles.filter(\.isDeleted).compactMap(\.facts)
        let mapped = snapshot.mappedFiles.filter { $0.facts?.links == 0 }.compactMap(\.facts)
        let most = (opened + mapped).filter { $0.type == .regular }.map { $0.blocks * 512 }.max() ?? 0
        return [Candidate(change: .ghostLimit(ByteCount((most + 0x3ff) & ~0x3ff)))]
    }

    private func device(_ finding: Finding) -> [Candidate] {
        guard let file = file(finding), let facts = file.facts,
            facts.type == .characterDevice || facts.type == .blockDevice
        else { return [] }
        // By its number, as the name is what went wrong.
        let number = facts.represents
        return [Candidate(change: .device(.number(major: number.major, minor: number.minor)))]
    }
}
