import CPlatform
import Glibc

/// Makes the unix sockets of a tree. See unix(7).
///
/// What the kernel notes the maker of, which is what SO_PEERCRED tells the other end, is done by a task:
/// socketpair(2), listen(2), connect(2) and accept(2) of streams. Everything else is done by us on our copies, so that
/// no path has to be within the task's rights any more: the program may have bound it before it gave them up.
struct UnixSocketBuilder {
    let tasks: TaskFiles
    let plan: UnixSocketPlan
    let names: SocketNames
    private let inherited: CredentialsImage
    /// Bytes of what is sent again while a queue is filled; sockets get their own size at the end.
    private static let fillingBuffer: UInt32 = 1 << 28
    /// Byte of a task's scratch memory where addresses go, after what lending uses.
    private static let addressPlace = 256

    init(tasks: TaskFiles, names: SocketNames) throws(RestoreError) {
        self.tasks = tasks
        self.names = names
        let given = tasks.tree.files.map(\.id).filter { !tasks.files.isMadeInTask($0) }
        plan = try UnixSocketPlan(tasks.tree, except: Set(given))
        inherited = try CredentialsBuilder(of: tasks.tree).inherited
    }

    /// Makes all sockets and what connects them inside the tree. The tasks still have our rights, so that each call can
    /// be made with the ids that the kernel noted at the time: a program may have listened as root and gone on as
    /// somebody else.
    func make() throws(RestoreError) {
        for row in plan.rows where row.role == .own { try makeSocket(row) }
        for row in plan.rows { if case .pair(let peer) = row.role { try makePair(row, plan.row(peer)) } }
        for row in plan.rows where row.role == .orphan { try makePair(row, nil) }
        for row in plan.rows where row.isBound { try names.bind(row, fd: try fd(row)) }
        for row in plan.rows where row.socket.state == UnixSocketPlan.listening { try listen(row) }
        for row in plan.rows {
            if case .accepted(let client) = row.role { try connect(client.map(plan.row), to: row) }
        }
        let queues = UnixSocketQueues(builder: self)
        try queues.fill()
        for row in plan.rows where row.socket.type == UnixSocketPlan.datagram { try connectDatagram(row) }
        for row in plan.waiting { try wait(row) }
    }

    /// Connects to servers outside, as nobody but the program itself with its final credentials; then gives every socket
    /// the state that stands in the way of nothing any more.
    func finish() throws(RestoreError) {
        for row in plan.rows { if case .outside(let end) = row.connection { try reconnect(row, to: end) } }
        let queues = UnixSocketQueues(builder: self)
        for row in plan.rows { try queues.finish(row) }
        queues.closeOrphanedEnds()
        for row in plan.rows { try settle(row) }
        try names.settle()
    }

    /// Our copy of a socket.
    func fd(_ row: UnixSocketPlan.Row) throws(RestoreError) -> Int32 {
        try tasks.files.descriptor(of: row.id)
    }

    /// Who makes a call, and as whom: the process that the other end knows as its peer, if it is there, with the ids that
    /// it knows; else the first holder with its own.
    private func maker(of id: UInt32, noted: SocketCredentialsImage?) -> Maker {
        let process = tasks.live.first { $0.pid.rawValue == noted?.pid } ?? tasks.maker(of: id)
        let own = process.image.threads.first?.credentials ?? inherited
        let isNoted = process.pid.rawValue == noted?.pid
        return Maker(
            thread: process.leader, uid: isNoted ? noted?.uid ?? own.euid : own.euid,
            gid: isNoted ? noted?.gid ?? own.egid : own.egid, groups: own.groups, inherited: inherited)
    }

    // MARK: making

    private func makeSocket(_ row: UnixSocketPlan.Row) throws(RestoreError) {
        try adopt(row, try socket(by: maker(of: row.id, noted: nil), type: row.socket.type))
    }

    private func socket(by maker: Maker, type: UInt32) throws(RestoreError) -> OwnedFD {
        let number = try maker.call("socket", CP_SYS_socket, Int(AF_UNIX), Int(type), 0)
        return try tasks.take(number, from: maker.thread)
    }

    /// The other end is kept by `orphanEnds` where the tree has none.
    private func makePair(
        _ row: UnixSocketPlan.Row, _ peer: UnixSocketPlan.Row?
    ) throws(RestoreError) {
        let maker = maker(of: row.id, noted: row.socket.peerCredentials)
        let thread = maker.thread
        try maker.call(
            "socketpair", CP_SYS_socketpair, Int(AF_UNIX), Int(row.socket.type), 0,
            Int(thread.scratch.rawValue))
        let pair = try thread.scratchValue(as: (Int32, Int32).self)
        try adopt(row, try tasks.take(Int(pair.0), from: thread))
        let other = try tasks.take(Int(pair.1), from: thread)
        if let peer { try adopt(peer, other) } else { try keepEnd(other, of: row) }
    }

    private func keepEnd(_ end: consuming OwnedFD, of row: UnixSocketPlan.Row) throws(RestoreError) {
        try widen(end.rawValue, row)
        names.orphanEnds[row.id] = end.release()
    }

    private func adopt(_ row: UnixSocketPlan.Row, _ socket: consuming OwnedFD) throws(RestoreError) {
        try widen(socket.rawValue, row)
        tasks.files.adopt(row.id, socket)
    }

    /// Room for all that is to be sent again, and no call that waits.
    private func widen(_ fd: Int32, _ row: UnixSocketPlan.Row) throws(RestoreError) {
        try about(row, "cannot be prepared") { () throws(Errno) -> Void in
            try SocketCalls.set(
                fd, SocketOption.socketLevel, SocketOption.forceSendBuffer, Self.fillingBuffer)
            try systemCall(CP_SYS_fcntl, Int(fd), Int(F_SETFL), Int(O_NONBLOCK))
        }
    }

    private func listen(_ row: UnixSocketPlan.Row) throws(RestoreError) {
        try listen(
            try fd(row), backlog: Int(Int32(bitPattern: row.socket.backlog)),
            by: maker(of: row.id, noted: row.socket.peerCredentials))
    }

    private func listen(_ fd: Int32, backlog: Int, by maker: Maker) throws(RestoreError) {
        try tasks.lender.lend(fd, to: maker.thread) { (fd) throws(RestoreError) -> Void in
            try maker.call("listen", CP_SYS_listen, fd, backlog)
        }
    }

    // MARK: connecting

    /// Connects a client to the listening socket that `accepted` came from, and has that accepted. Where the listening
    /// socket is gone, one is made for the moment; where the client is, another one plays it and is closed later.
    private func connect(
        _ client: UnixSocketPlan.Row?, to accepted: UnixSocketPlan.Row
    ) throws(RestoreError) {
        let accepter = maker(of: accepted.id, noted: nil)
        let connecter = maker(of: client?.id ?? accepted.id, noted: accepted.socket.peerCredentials)
        var temporary: OwnedFD?
        let listening: Int32
        if let known = plan.listener(of: accepted) {
            listening = try fd(known)
        } else {
            let maker = maker(of: accepted.id, noted: client?.socket.peerCredentials)
            let made = try socket(by: maker, type: accepted.socket.type)
            listening = made.rawValue
            try names.bindForTheMoment(accepted.socket.name, fd: listening)
            try listen(listening, backlog: 1, by: maker)
            temporary = consume made
        }
        let end: Int32
        if let client {
            end = try fd(client)
        } else {
            try keepEnd(try socket(by: connecter, type: accepted.socket.type), of: accepted)
            end = names.orphanEnds[accepted.id] ?? -1
        }
        try connect(end, to: listening, by: connecter)
        let thread = accepter.thread
        try tasks.lender.lend(listening, to: thread) { (fd) throws(RestoreError) -> Void in
            try adopt(
                accepted,
                try tasks.take(try accepter.call("accept4", CP_SYS_accept4, fd, 0, 0, 0), from: thread))
        }
        _ = consume temporary
    }

    /// connect(2) made by a task. A path is reached through a descriptor of its file, which belongs to the task for
    /// that moment, as neither may be within its rights any more.
    private func connect(_ fd: Int32, to listening: Int32, by maker: Maker) throws(RestoreError) {
        let thread = maker.thread
        try names.reach(listening, for: maker.uid) {
            (address, file) throws(RestoreError) -> Void in
            try tasks.lender.lend(fd, to: thread) { (socket) throws(RestoreError) -> Void in
                var name = address
                var lent: Int?
                if let file {
                    let number = try tasks.lender.take(file, into: thread)
                    lent = number
                    name = SocketName.address(Array("/proc/self/fd/\(number)".utf8) + [0])
                }
                let place = try thread.put(name, at: Self.addressPlace)
                try maker.call("connect", CP_SYS_connect, socket, place, name.count)
                if let lent { try thread.call("close", CP_SYS_close, lent) }
            }
        }
    }

    /// A client that waits to be accepted.
    private func wait(_ row: UnixSocketPlan.Row) throws(RestoreError) {
        guard case .waiting(let id) = row.connection else { return }
        try connect(
            try fd(row), to: try fd(plan.row(id)), by: maker(of: row.id, noted: nil))
    }

    /// A server outside the tree, by its name and with the task's own rights and nothing more.
    private func reconnect(_ row: UnixSocketPlan.Row, to end: UnixSocketImage) throws(RestoreError) {
        let thread = tasks.maker(of: row.id).leader
        let address = SocketName.address(end.name)
        try tasks.lender.lend(try fd(row), to: thread) { (socket) throws(RestoreError) -> Void in
            let place = try thread.put(address, at: Self.addressPlace)
            if case .failure(let errno) = try thread.attempt(
                "connect", CP_SYS_connect, socket, place, address.count)
            {
                throw RestoreError(
                    end.title, "task \(thread.tid) cannot connect to it again", errno: errno,
                    remedy: "start the server, or dump with on-restore: close")
            }
        }
    }

    /// Datagrams are connected last, as a connected socket takes messages from its peer alone.
    private func connectDatagram(_ row: UnixSocketPlan.Row) throws(RestoreError) {
        switch row.connection {
        case .to(let peer):
            let target = plan.row(peer)
            try names.reach(try fd(target), for: nil) { (address, file) throws(RestoreError) -> Void in
                let name =
                    file.map { SocketName.address(Array("/proc/self/fd/\($0)".utf8) + [0]) } ?? address
                try about(row, "cannot be connected to \(target.socket.title)") {
                    () throws(Errno) -> Void in try SocketCalls.connect(try ours(row), name)
                }
            }
        case .gone:
            try tasks.files.inNetwork { () throws(RestoreError) in
                try about(row, "cannot be connected to a peer that is gone") { () throws(Errno) -> Void in
                    let peer = try SocketCalls.make(UInt32(AF_UNIX), UnixSocketPlan.datagram, 0)
                    // The kernel finds an abstract name for it.
                    try SocketCalls.bind(peer.rawValue, SocketName.address([]))
                    try SocketCalls.connect(try ours(row), try SocketCalls.localAddress(peer.rawValue))
                }
            }
        case .none, .waiting, .outside, .mutual: return
        }
    }

    private func ours(_ row: UnixSocketPlan.Row) throws(Errno) -> Int32 {
        do throws(RestoreError) { return try fd(row) } catch { throw error.errno ?? .badDescriptor }
    }

    // MARK: settling

    /// Options and flags, when nothing is to be sent any more.
    private func settle(_ row: UnixSocketPlan.Row) throws(RestoreError) {
        let setter = SocketOptionsSetter(
            fd: try fd(row), subject: "unix socket \(row.socket.title)", options: row.socket.options,
            extras: tasks.tree.socketExtras[row.id])
        try setter.setBeforeBind()
        try setter.setAfterBind()
        try about(row, "its flags cannot be cleared") { () throws(Errno) -> Void in
            try systemCall(CP_SYS_fcntl, Int(try ours(row)), Int(F_SETFL), 0)
        }
        try setter.setFlags(row.socket.flags)
    }

    func about<Value: ~Copyable>(
        _ row: UnixSocketPlan.Row, _ fact: String, _ body: () throws(Errno) -> Value
    ) throws(RestoreError) -> Value {
        try RestoreError.about("unix socket \(row.socket.title)", fact, body)
    }
}
