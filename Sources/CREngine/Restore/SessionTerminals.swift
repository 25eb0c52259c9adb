import CPlatform

/// Controlling terminals of restored sessions. See ioctl_tty(2), TIOCSCTTY and TIOCSPGRP.
struct SessionTerminals {
    let lender: Lender
    let terminals: TerminalFiles

    /// Lets a new session's leader take its terminal; its children inherit it, so it is done before they are born.
    func acquire(_ leader: StubThread, session: Int32) throws(RestoreError) {
        guard let terminal = try terminals.controlling(session) else { return }
        try lender.lend(terminal.fd, to: leader) { (fd) throws(RestoreError) -> Void in
            try leader.call("ioctl", CP_SYS_ioctl, fd, 0x540e, 0)
        }
    }

    /// Puts the group in front that was; the groups are there by now. A group without members stays away, as it cannot
    /// be named.
    func setForeground(_ processes: [StubProcess]) throws(RestoreError) {
        for process in processes where process.image.sid == process.pid && !process.isZombie {
            guard let terminal = try terminals.controlling(process.session), terminal.foreground > 0,
                terminal.foreground != process.group,
                processes.contains(where: {
                    $0.session == process.session && $0.group == terminal.foreground && !$0.isZombie
                })
            else { continue }
            let leader = process.leader
            try lender.lend(terminal.fd, to: leader) { (fd) throws(RestoreError) -> Void in
                let group = try leader.put(terminal.foreground)
                try leader.call("ioctl", CP_SYS_ioctl, fd, 0x5410, group)
            }
        }
    }
}
