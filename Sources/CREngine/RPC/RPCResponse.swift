import CPlatform

/// What a client of CRIU's RPC gets: an answer to its request, or a notification.
package struct RPCResponse: Equatable, Sendable {
    /// A release of CRIU.
    package struct Version: Equatable, Sendable {
        package var major: Int32
        package var minor: Int32
        package var sublevel: Int32

        package init(major: Int32, minor: Int32, sublevel: Int32) {
            self.major = major
            self.minor = minor
            self.sublevel = sublevel
        }
    }

    package var kind: RPCKind
    package var isSuccess: Bool
    /// Of a dump: the answer reached a client that dumped itself, after its restore.
    package var isRestored: Bool?
    /// Of a restore: its root; -1 where none was restored.
    package var root: Int32?
    /// Name of a stage, in a notification.
    package var stage: String?
    /// Pid of the root, in a notification that has it.
    package var stagePID: PID?
    package var errno: Errno?
    package var message: String?
    /// Every feature that was asked about: whether it is there.
    package var mayTrackMemory: Bool?
    package var hasLazyPages: Bool?
    package var hasPidfdStore: Bool?
    package var version: Version?
    /// As wait(2) gives it.
    package var status: Int32?

    package init(_ kind: RPCKind, _ isSuccess: Bool) {
        self.kind = kind
        self.isSuccess = isSuccess
    }

    /// The packet.
    package func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(criu_resp__init)
            message.pointee.type = CriuReqType(kind.rawValue)
            message.pointee.success = isSuccess ? 1 : 0
            if let isRestored {
                let dump = arena.make(criu_dump_resp__init)
                (dump.pointee.has_restored, dump.pointee.restored) = (1, isRestored ? 1 : 0)
                message.pointee.dump = dump
            }
            if let root {
                let restore = arena.make(criu_restore_resp__init)
                restore.pointee.pid = root
                message.pointee.restore = restore
            }
            if let stage {
                let notify = arena.make(criu_notify__init)
                notify.pointee.script = arena.string(stage)
                if let stagePID { (notify.pointee.has_pid, notify.pointee.pid) = (1, stagePID.rawValue) }
                message.pointee.notify = notify
            }
            if let errno { (message.pointee.has_cr_errno, message.pointee.cr_errno) = (1, errno.rawValue) }
            if let text = self.message { message.pointee.cr_errmsg = arena.string(text) }
            if kind == .featureCheck, isSuccess {
                let features = arena.make(criu_features__init)
                if let mayTrackMemory {
                    (features.pointee.has_mem_track, features.pointee.mem_track) = (1, mayTrackMemory ? 1 : 0)
                }
                if let hasLazyPages {
                    (features.pointee.has_lazy_pages, features.pointee.lazy_pages) = (1, hasLazyPages ? 1 : 0)
                }
                if let hasPidfdStore {
                    features.pointee.has_pidfd_store = 1
                    features.pointee.pidfd_store = hasPidfdStore ? 1 : 0
                }
                message.pointee.features = features
            }
            if let version {
                let entry = arena.make(criu_version__init)
                entry.pointee.major_number = version.major
                entry.pointee.minor_number = version.minor
                (entry.pointee.has_sublevel, entry.pointee.sublevel) = (1, version.sublevel)
                message.pointee.version = entry
            }
            if let status { (message.pointee.has_status, message.pointee.status) = (1, status) }
            return message
        }
    }
}
