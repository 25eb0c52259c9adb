import CPlatform
import Glibc

/// What the root of a tree inherits for taking descriptors from us.
///
/// A pidfd of ours, as a process in a pid namespace of its own could not open one. In a user namespace of its own a task has no
/// rights that pidfd_getfd(2) asks for, and inherits the end of a channel.
struct LenderAtBirth: ~Copyable {
    private let pidfd: OwnedFD?
    private let channel: LenderChannel?
    /// Our number of the descriptor, which a copy of us has too.
    let inheritance: Int32
    private let way: Int32?

    init(hasUserNamespace: Bool) throws(RestoreError) {
        if hasUserNamespace {
            let made = try LenderChannel()
            inheritance = made.farEnd
            way = made.lender(at: 0).channel
            channel = consume made
            pidfd = nil
            return
        }
        let made = try RestoreError.about("this process", "no pidfd of it can be had") { () throws(Errno) in
            OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_open, Int(getpid()), 0)))
        }
        inheritance = made.rawValue
        way = nil
        pidfd = consume made
        channel = nil
    }

    /// For tasks that have it under this number. It is good as long as this value.
    func lender(at number: Int32) -> Lender {
        var lender = Lender(number: number)
        lender.channel = way
        return lender
    }
}
