import CPlatform
import Glibc

/// The terminal on which a tree of a shell job is restored: stdin of this process.
package enum ShellTerminal {
    /// The tree as it will be: in our session, and in our process group where it was in the shell's.
    static func adopted(_ tree: TreeImage) -> TreeImage {
        guard let job = ShellJob(tree) else { return tree }
        var tree = tree
        let session = PID(getsid(0))
        let group = PID(getpgrp())
        func renamed(_ id: UInt32) -> UInt32 {
            let pid = PID(Int32(bitPattern: id))
            let now = pid == job.group ? group : pid == job.session ? session : pid
            return UInt32(bitPattern: now.rawValue)
        }
        for place in tree.tasks.indices {
            if tree.tasks[place].sid == job.session { tree.tasks[place].sid = session }
            if tree.tasks[place].pgid == job.group {
                tree.tasks[place].pgid = group
            } else if tree.tasks[place].pgid == job.session {
                tree.tasks[place].pgid = session
            }
        }
        for place in tree.terminals.indices
        where tree.terminals[place].session == UInt32(bitPattern: job.session.rawValue) {
            tree.terminals[place].session = UInt32(bitPattern: session.rawValue)
            tree.terminals[place].foreground = renamed(tree.terminals[place].foreground)
        }
        return tree
    }

    /// The side that stands for the terminal of the shell; nil where the tree has none.
    static func side(of tree: TreeImage, except outside: Set<UInt32>) -> TerminalImage? {
        tree.terminals.first { side in
            guard side.kind == .pair, !side.isMaster, !side.isHungUp,
                !tree.terminals.contains(where: { $0.id == side.id | 1 })
            else { return false }
            return tree.files.contains { file in
                guard case .terminal(let image) = file.content else { return false }
                return image.terminal == side.id && !outside.contains(file.id)
            }
        }
    }

    /// Why stdin cannot be the tree's terminal; nil where it can.
    static func problem(_ side: TerminalImage) -> RestoreError? {
        let subject = "terminal /dev/pts/\(side.pair ?? 0)"
        if isatty(0) == 0 {
            return RestoreError(
                subject, "was the shell's, and stdin of this restore is no terminal",
                remedy: "restore on the terminal that the tree is to have")
        }
        if tcgetsid(0) != getsid(0) {
            return RestoreError(
                subject, "was the shell's, and stdin of this restore is the terminal of another session",
                remedy: "restore in a shell on the terminal that the tree is to have")
        }
        return nil
    }
}

/// A terminal that was handed to a restored tree, and how it was before.
package struct TerminalHandover: Equatable, Sendable {
    /// The process group of the tree that was in front.
    package let group: Int32
    private let own: Int32
    private let modes: TerminalModes
    private let jobModes: TerminalModes
    /// The tree has to draw itself anew.
    private let hasOtherSize: Bool

    /// Nil where the tree was not in front. `side` is the shell's terminal in the image, in terms of our session.
    static func prepare(_ side: TerminalImage, _ tree: TreeImage) throws(RestoreError) -> TerminalHandover? {
        let group = Int32(bitPattern: side.foreground)
        guard group > 0, let jobModes = side.modes,
            tree.tasks.contains(where: { $0.pgid.rawValue == group })
        else { return nil }
        let (own, modes, size) = try RestoreError.about("terminal of stdin", "cannot be asked") {
            () throws(Errno) in
            (
                try TerminalControl.foreground(0), try TerminalControl.modes(0),
                try TerminalControl.windowSize(0)
            )
        }
        return TerminalHandover(
            group: group, own: own, modes: modes, jobModes: jobModes, hasOtherSize: size != side.size)
    }

    /// Puts the tree in front, with its modes.
    package func give() throws(Errno) {
        try withoutOutputStop { () throws(Errno) in
            try TerminalControl.setModes(0, jobModes)
            if group != own { try TerminalControl.setForeground(0, group) }
        }
        if hasOtherSize { _ = kill(-group, SIGWINCH) }
    }

    /// Puts us in front again, with the modes that were.
    package func takeBack() throws(Errno) {
        try withoutOutputStop { () throws(Errno) in
            if group != own { try TerminalControl.setForeground(0, own) }
            try TerminalControl.setModes(0, modes)
        }
    }

    /// Whether we are in front, as when the shell has continued us.
    package var isOurs: Bool { (try? TerminalControl.foreground(0)) == getpgrp() }
    /// Whether the tree has a group of its own.
    package var isSeparate: Bool { group != getpgrp() }

    /// A process in the background that is not to be stopped for it must block SIGTTOU; tty_check_change in
    /// drivers/tty/tty_jobctrl.c.
    private func withoutOutputStop(_ body: () throws(Errno) -> Void) throws(Errno) {
        var set = sigset_t()
        var old = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTTOU)
        pthread_sigmask(SIG_BLOCK, &set, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        try body()
    }
}
