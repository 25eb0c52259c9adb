import CPlatform

/// One process of a tree that is being built.
final class StubProcess {
    let image: TaskImage
    /// The thread that leads it; the others come when its memory is there.
    var leader: StubThread
    var others: [StubThread] = []
    /// What it has now, as setsid(2), setpgid(2) and clone(2) left it.
    var session: Int32
    var group: Int32
    /// True when its descriptor table is one that a process before it in the tree made.
    let sharesDescriptors: Bool
    var present = PresentMemory()

    init(image: TaskImage, leader: StubThread, session: Int32, group: Int32, sharesDescriptors: Bool) {
        self.image = image
        self.leader = leader
        self.session = session
        self.group = group
        self.sharesDescriptors = sharesDescriptors
    }

    /// Its number in the image, which it has in its own pid namespace.
    var pid: PID { image.pid }
    /// Its number for us.
    var host: PID { PID(leader.tid.rawValue) }
    var threads: [StubThread] { [leader] + others }
    /// Stopped by job control at the dump.
    var isStopped: Bool {
        if case .stopped = image.state { true } else { false }
    }
    var isZombie: Bool {
        if case .dead = image.state { true } else { false }
    }
}
