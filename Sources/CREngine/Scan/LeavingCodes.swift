extension FindingCode {
    /// Whether it speaks of something that leads out of the tree, rather than of what the tree has for itself.
    package var leavesTree: Bool {
        switch self {
        case .pipeOutside, .stdioOutside, .unixOutside, .unixNameless, .unixOutsideData,
            .unixBacklog, .tcpListen, .tcpEstablished, .tcpInFlight,
            .datagramsLost, .netlinkAnswers, .packetRing, .multipathTCP, .sharedSocket,
            .tcpLayer, .otherSocket, .shellJob,
            .groupOutside, .controllingTerminal, .terminal, .terminalMaster, .signalOwner,
            .flock, .posixLock, .openFileLock, .lease, .leaseUnsettled, .lockOutside, .device, .gpu, .kvm,
            .infiniband,
            .fuse, .deviceMapping, .systemV, .ipcOutside,
            .sharedMemoryOutside, .messageQueue, .fifo, .unixListen, .traced, .perfEvent, .bpf, .pidFD,
            .namespaceFD, .inotify, .fanotify, .fanotifyMark, .pseudoFile, .uprobes:
            true
        default: false
        }
    }
}
