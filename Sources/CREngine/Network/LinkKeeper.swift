import CPlatform
import Glibc

/// Gives links that a restore was handed back where they came from, should it not come to its end: a process beside it.
///
/// A link that is no hardware ends with its namespace, and that with the last task of the tree, which dies with whoever
/// restores. The keeper holds the namespace until it is told that the tree runs.
package final class LinkKeeper {
    /// A link that goes into the namespace.
    package struct Link: Equatable, Sendable {
        /// Name and number where it came from.
        var name: String
        var index: UInt32
        /// Its number inside.
        var inside: UInt32

        /// As a word of a command line; no name of a link has a colon.
        var word: String { "\(inside):\(index):\(name)" }

        package init?(word: String) {
            let parts = word.split(separator: ":", maxSplits: 2).map(String.init)
            guard parts.count == 3, let inside = UInt32(parts[0]), let index = UInt32(parts[1]) else {
                return nil
            }
            self.init(name: parts[2], index: index, inside: inside)
        }

        init(name: String, index: UInt32, inside: UInt32) {
            self.name = name
            self.index = index
            self.inside = inside
        }
    }

    private let keeper: PID
    private var word: OwnedFD?

    /// Starts the process; `namespace` is the tree's, `home` where the links come from. Returns once it watches.
    init(_ links: [Link], namespace: Int32, home: Int32) throws(NetworkError) {
        let started = try NetworkError.about("links that are handed in", "nobody can be started to keep them")
        {
            () throws(Errno) -> (keeper: PID, word: Int32) in
            let ours = try Self.pipe()
            let theirs = try Self.pipe()
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            // First out of the way of these, then into them: dup2 onto itself would keep close-on-exec.
            let descriptors = [namespace, home, ours.reader, theirs.writer]
            for (place, descriptor) in descriptors.enumerated() {
                posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(100 + place))
            }
            for place in descriptors.indices {
                posix_spawn_file_actions_adddup2(&actions, Int32(100 + place), Int32(3 + place))
            }
            posix_spawn_file_actions_addclosefrom_np(&actions, Int32(3 + descriptors.count))
            let pid = try FreshProcess.start(
                "/proc/self/exe", ["crplan", "internal", "keep-links"] + links.map(\.word), &actions)
            _ = close(ours.reader)
            _ = close(theirs.writer)
            let ready = OwnedFD(taking: theirs.reader)
            var byte: UInt8 = 0
            let count = try withUnsafeMutableBytes(of: &byte) { raw in
                Result { () throws(Errno) -> Int in try ready.read(into: raw) }
            }.get()
            if count != 1 { throw .noProcess }
            return (pid, ours.writer)
        }
        keeper = started.keeper
        word = OwnedFD(taking: started.word)
    }

    private static func pipe() throws(Errno) -> (reader: Int32, writer: Int32) {
        var ends: (Int32, Int32) = (0, 0)
        try withUnsafeMutablePointer(to: &ends) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_pipe2, Int(bitPattern: pointer), Int(O_CLOEXEC))
        }
        return (ends.0, ends.1)
    }

    /// The tree runs, and the links are its own.
    func yield() {
        guard let word = word.take() else { return }
        // A keeper that has ended keeps nothing.
        try? word.writeAll([1])
        waitForKeeper()
    }

    /// The tree is not to be, and its tasks are gone: waits until the links are back.
    func giveBack() {
        guard let word = word.take() else { return }
        _ = consume word
        waitForKeeper()
    }

    private func waitForKeeper() {
        var status: Int32 = 0
        while waitpid(keeper.rawValue, &status, 0) < 0 && errno == EINTR {}
    }

    deinit { giveBack() }

    // MARK: The process

    /// What the process does. Descriptors: 3 the namespace, 4 home, 5 the word of who restores, 6 is told that we watch.
    ///
    /// Throws where a link cannot be given back.
    package static func keep(_ links: [Link]) throws {
        let namespace = OwnedFD(taking: 3)
        let home = OwnedFD(taking: 4)
        let word = OwnedFD(taking: 5)
        setsid()
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { _ = Glibc.signal(signal, SIG_IGN) }
        try OwnedFD(taking: 6).writeAll([1])
        var byte: UInt8 = 0
        let count = try withUnsafeMutableBytes(of: &byte) { raw in try word.read(into: raw) }
        if count == 1 { return }
        // What is half restored ends with its tracer. A tree that runs keeps its links.
        let inode = try NetworkNamespace.inode(namespace.rawValue)
        let deadline = Deadline.after(milliseconds: 10_000)
        while NetworkNamespace.member(of: inode) != nil {
            if deadline.hasPassed { return }
            usleep(2000)
        }
        var failure: NetworkError?
        for link in links {
            do throws(NetworkError) {
                try giveBack(link, namespace.rawValue, home.rawValue)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private static func giveBack(_ link: Link, _ namespace: Int32, _ home: Int32) throws(NetworkError) {
        try NetworkNamespace.visit(namespace) { () throws(NetworkError) in
            var connection = try NetlinkConnection.open(.route)
            // It may not have come yet.
            guard try NetworkLink.all(&connection).contains(where: { $0.index == link.inside }) else {
                return
            }
            let newIndex: UInt16 = 49
            let attributes = [
                NetlinkAttribute(NetworkLink.Attribute.namespaceDescriptor, home),
                NetlinkAttribute(NetworkLink.Attribute.name, link.name),
            ]
            do throws(NetlinkConnection.Refusal) {
                try connection.perform(
                    RouteNetlink.link(
                        RouteNetlink.setLink, index: link.inside, change: NetworkLink.Flag.up,
                        attributes + [NetlinkAttribute(newIndex, link.index)]))
            } catch {
                // Its number may be another's by now.
                do throws(NetlinkConnection.Refusal) {
                    try connection.perform(
                        RouteNetlink.link(
                            RouteNetlink.setLink, index: link.inside, change: NetworkLink.Flag.up, attributes)
                    )
                } catch {
                    throw error.about("link \(link.name)", "cannot be given back")
                }
            }
        }
    }
}
