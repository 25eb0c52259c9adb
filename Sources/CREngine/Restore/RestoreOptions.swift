package import PolicyModel

/// How a tree is brought back.
package struct RestoreOptions: Sendable {
    /// Whose child the root of the tree becomes.
    package enum Parent: Sendable {
        /// Of the nearest child subreaper or of init.
        case detached
        /// Of this process, which stays and waits; see `AttachedRoot`.
        case caller
        /// Of this process's parent.
        case sibling
    }
    package enum FileCheck: Sendable {
        case size
        /// Size, and the ELF build id where the image has one.
        case buildID
    }

    package var parent = Parent.detached
    /// Every task is left stopped by SIGSTOP; SIGCONT lets it run on.
    package var leaveStopped = false
    /// What becomes of a tree of which an id is taken.
    package var pidConflict = RestoreSettings.PIDConflict.fail
    /// Gets the root's pid in decimal; must not exist yet, unless `replacesPidfile`.
    package var pidfile: String?
    /// A pidfile that is there already is replaced.
    package var replacesPidfile = false
    package var fileCheck = FileCheck.buildID
    /// Connections come back closed, as after `criu restore --tcp-close`.
    package var closesConnections = false
    /// What becomes of connections whose lock is gone.
    package var ifUnlocked = RestoreSettings.IfUnlocked.fail
    /// Permission bits of files are not compared.
    package var skipsModeCheck = false
    /// Seconds from the start until an unfinished restore is given up; 0 is never.
    package var timeout = 0
    /// Streams to servers outside the tree are connected again, as CRIU's --ext-unix-sk has it. Datagram sockets are
    /// without it.
    package var reconnectsUnixSockets = false
    /// A tree that a shell had started joins our session, group and terminal.
    package var shellJob = false
    /// Masters that the tree does not have are made, and given away at `RestoreStage.masterMade`.
    package var givesMasters = false
    /// Descriptors of ours that stand in for files of the image, by CRIU's names of those.
    package var inherited: [String: Int32] = [:]
    /// Descriptors of namespaces that the tree is put into: CRIU's --join-ns.
    package var joined: [NamespaceKind: Int32] = [:]
    /// The maps of the user namespace among them.
    package var joinedUser: UserNamespaceImage?
    /// Why this processor cannot take the tree, by what was to be compared.
    package var processorProblems: [String] = []
    /// What becomes of the groups that the tree was in: CRIU's --manage-cgroups.
    package var cgroups = DumpSettings.Cgroups.soft
    /// Where the groups are put, and which files of theirs are set.
    package var cgroupChoice = CgroupChoice()
    /// Hard links that the dump made stay, for the next restore.
    package var keepsHelperNames = false
    /// Where mounts of a mount namespace of the tree's own come from.
    package var mounts = MountOutside(root: "/")
    /// Outer ends of pairs of a network namespace, as a policy has them.
    package var veth: [VethRule] = []
    /// CRIU's spellings of --external that name links, and the arguments of --veth-pair.
    package var externalLinks: [String] = []
    package var vethPairs: [String] = []
    /// A network namespace of the tree's own is made empty, for a program of the operator to set up.
    package var emptiesNetwork = false
    package init() {}
}

/// Moments of a restore at which programs of the operator are called.
package enum RestoreStage: Sendable, Equatable {
    /// The root stands in namespaces of the tree's own, and has nothing else yet. Only of a tree that has some.
    case namespacesMade
    /// The master of a terminal of which the tree has slaves alone; ours is closed after the call.
    case masterMade(Int32)
    /// The tree is complete and stopped. It has no pidfile yet, and dies if the call fails.
    case complete
    /// Connections in a network namespace of the tree's own are let go at once. Only of a tree that has one.
    case networkRelease
    /// It is about to run.
    case beforeResume
}

/// What came of a restore.
package struct RestoredTree: Equatable, Sendable {
    package var root: PID
    /// Who stands for the tree: the root, or the init of a pid namespace that was made for it, which ends as the root does
    /// when all of the tree have ended.
    package var child: PID
    /// The number that the root has in such a namespace; nil where none was made.
    package var inner: PID?
    /// The terminal of a shell job that was in front; nil where none was handed over.
    package var terminal: TerminalHandover?
    /// Ends of the tree's pairs that were made where we are.
    package var outerEnds: [NetworkOutside.OuterEnd] = []
    /// Live tasks, threads not counted.
    package var tasks: Int
    package var pagesRestored: UInt64
    /// Microseconds until every process of the tree existed.
    package var forkingTime: UInt64
    /// Microseconds in all.
    package var restoreTime: UInt64
}
