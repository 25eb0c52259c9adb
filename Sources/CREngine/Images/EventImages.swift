// Rows of `files.img` that are event objects. `flags` are those that fdinfo shows, without O_CLOEXEC.

/// An event counter; see eventfd(2).
package struct EventFDImage: Equatable, Sendable {
    package var flags: UInt32
    package var owner = OwnerImage()
    package var count: UInt64
    /// EFD_SEMAPHORE. CRIU's format has no place for it; `FileExtras` has.
    package var isSemaphore = false
    package init(flags: UInt32, count: UInt64) {
        self.flags = flags
        self.count = count
    }
}

/// Signals read as a file; see signalfd(2).
package struct SignalFDImage: Equatable, Sendable {
    package var flags: UInt32
    package var owner = OwnerImage()
    /// Bit n-1 is signal n.
    package var mask: UInt64
    package init(flags: UInt32, mask: UInt64) {
        self.flags = flags
        self.mask = mask
    }
}

/// A timer read as a file; see timerfd_create(2).
package struct TimerFDImage: Equatable, Sendable {
    package var flags: UInt32
    package var owner = OwnerImage()
    /// A CLOCK_* number.
    package var clock: UInt32
    /// Expirations that nobody has read.
    package var ticks: UInt64 = 0
    /// TFD_TIMER_ABSTIME 1, TFD_TIMER_CANCEL_ON_SET 2.
    package var setFlags: UInt32 = 0
    /// Time left; zero is disarmed. Nanoseconds are below 1e9.
    package var valueSeconds: UInt64 = 0
    package var valueNanoseconds: UInt64 = 0
    package var intervalSeconds: UInt64 = 0
    package var intervalNanoseconds: UInt64 = 0
    /// Nanoseconds of the wall clock at which it is due, for an absolute timer of a wall clock. In `FileExtras`.
    package var wallTime: Int64?
    package init(flags: UInt32, clock: UInt32) {
        self.flags = flags
        self.clock = clock
    }
}

/// A descriptor of a process or thread; see pidfd_open(2).
package struct ProcessFDImage: Equatable, Sendable {
    /// PIDFD_THREAD is O_EXCL, PIDFD_NONBLOCK is O_NONBLOCK.
    package var flags: UInt32
    package var owner = OwnerImage()
    /// Of the process, or of the thread with PIDFD_THREAD; -1 where it has ended and was waited for.
    package var target: Int32
    /// Tells ended processes apart.
    package var inode: UInt32
    /// Wait status of an ended process, where the kernel still knows it. In `FileExtras`.
    package var endStatus: UInt32?
    package init(flags: UInt32, target: Int32, inode: UInt32) {
        self.flags = flags
        self.target = target
        self.inode = inode
    }
}

/// A descriptor of a namespace; see namespaces(7).
package struct NamespaceFDImage: Equatable, Sendable {
    package var flags: UInt32
    package var kind: NamespaceKind
    /// As `ids-PID.img` has it of the tasks that are in it.
    package var namespace: UInt32
    package init(flags: UInt32, kind: NamespaceKind, namespace: UInt32) {
        self.flags = flags
        self.kind = kind
        self.namespace = namespace
    }
}

/// A set of watched descriptors; see epoll(7).
package struct EpollImage: Equatable, Sendable {
    /// One member of the set.
    package struct Target: Equatable, Sendable {
        /// A number in the owner's table that leads to the file.
        package var fd: UInt32
        /// EPOLL*
        package var events: UInt32
        package var data: UInt64
        /// Kernel encoding, major<<20|minor.
        package var device: UInt32?
        package var inode: UInt64?
        package var position: UInt64?
        /// The number under which it was added, where `fd` is another one. In `FileExtras`.
        package var addedAs: UInt32?
        /// The file, where no number in the owner's table leads to it. In `FileExtras`.
        package var file: UInt32?
        package init(fd: UInt32, events: UInt32, data: UInt64) {
            self.fd = fd
            self.events = events
            self.data = data
        }
    }
    package var flags: UInt32
    package var owner = OwnerImage()
    package var targets: [Target] = []
    /// struct epoll_params of ioctl_eventpoll(2), as a word; 0 is no busy polling. In `FileExtras`.
    package var busyPolling: UInt64 = 0
    package init(flags: UInt32) { self.flags = flags }
}
