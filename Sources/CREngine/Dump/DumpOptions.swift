package import PolicyModel

/// What a dump is asked to do.
package struct DumpOptions: Sendable {
    /// What becomes of the tree once the images are complete.
    package enum After: String, Sendable, Codable {
        case kill
        case leaveRunning = "leave-running"
        case leaveStopped = "leave-stopped"
    }
    package var root: PID
    package var after: After
    /// Milliseconds to seize the whole tree.
    package var freezeTimeout: UInt64
    /// Allocated bytes of each deleted file that may travel with the images.
    package var ghostLimit: UInt64
    /// What holds connections from before they are read; `skip` leaves that to the operator.
    /// The network namespace is not read: a restore makes it empty, and somebody else sets it up.
    package var emptiesNetwork = false
    package var networkLock = DumpSettings.NetworkLock.nftables
    /// What the images say of control groups: CRIU's --manage-cgroups.
    package var cgroups = DumpSettings.Cgroups.soft
    /// Which groups the images describe.
    package var cgroupChoice = CgroupChoice()
    /// Group to freeze while the tree is seized: CRIU's --freeze-cgroup.
    package var freezeCgroup: String?
    /// What the processor can do is taken down: CRIU's --cpu-cap.
    package var notesProcessor = false
    /// Build ids of files are looked for, and not their sizes alone taken: CRIU's --file-validation.
    package var findsBuildIDs = true
    /// The image set that this one continues, seen from the image directory: CRIU's --prev-images-dir.
    package var previousImages: String?
    /// A later dump may continue this one: CRIU's --track-mem.
    package var tracksMemory = false
    /// Path that the image directory has once its checkpoint is published; nil where nothing is published.
    package var publishedImages: String?
    /// Of a tree that runs on afterwards.
    package var pauseLimit: PauseLimit?
    /// The images are written before the tree runs on, for programs called at `imagesComplete`.
    package var writesWhileFrozen = false
    /// What may lead out of the tree.
    package var allow = Allowances()
    /// Directories that are searched for watched files: CRIU's --irmap-scan-path.
    package var watchSearchPaths: [String] = []
    /// Watched files are searched for even where their handles can be opened: CRIU's --force-irmap.
    package var forcesWatchSearch = false
    package init(root: PID, after: After, freezeTimeout: UInt64 = 10_000, ghostLimit: UInt64 = 1 << 20) {
        self.root = root
        self.after = after
        self.freezeTimeout = freezeTimeout
        self.ghostLimit = ghostLimit
    }
}

/// What a dump did, in CRIU's words for times.
package struct DumpOutcome: Sendable {
    /// Microseconds to seize the whole tree.
    package var freezingTime: UInt64 = 0
    /// Microseconds from then until the tree ran on or was killed.
    package var frozenTime: UInt64 = 0
    /// Microseconds in which memory was copied; copying and writing are one.
    package var memoryTime: UInt64 = 0
    package var pagesScanned: UInt64 = 0
    package var pagesWritten: UInt64 = 0
    /// Pages that the image set before has already.
    package var pagesInParent: UInt64 = 0
    /// A sentence where the pause was longer than `pauseLimit` and that is only told.
    package var pauseExcess: String?
    /// Writes that the stop cut short.
    var cutTransfers: [Transfers.Cut] = []
    /// Connections that stay locked until a restore; nil for none.
    package var lock: ConnectionLock?
    package var tree: TreeImage
    package var snapshot: Snapshot
    /// Hard links that were made for files without a name of their own. They are to stay as long as the images.
    package var helperNames: [HelperNameRecord] = []
}

/// A hard link that a checkpoint needs at its restore.
package struct HelperNameRecord: Codable, Equatable, Sendable {
    package var path: String
    package var inode: UInt64
}
