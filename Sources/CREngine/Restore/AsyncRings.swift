import CPlatform
import Glibc

/// Makes the rings of io_setup(2) of one process again, each at its address, which is its id.
///
/// The place where the kernel puts the next event is its own, and moves only when a request ends. So requests that do
/// nothing, reads of /dev/null, end until both places are the old ones: first as many as the program has read, which
/// are taken as read; then as many as wait in the ring, whose events are written over by the old ones.
struct AsyncRings {
    let lender: Lender
    let pages: ImagePayload
    /// CPUs that we may use.
    let affinity: [UInt64]

    /// Offsets in struct aio_ring of fs/aio.c.
    private enum Head {
        static let places = 4
        static let head = 8
        static let tail = 12
    }

    private static let requestSize = 64

    func make(_ process: StubProcess, _ image: MemoryImage) throws(RestoreError) {
        if image.aioRings.isEmpty { return }
        let thread = process.leader
        // A ring comes to be where the kernel likes, which must not be the place of another one.
        for ring in image.aioRings {
            let (noAccess, reserved) = (0, 0x10_4022)
            try thread.call(
                "mmap", CP_SYS_mmap, Int(ring.address), Int(ring.length), noAccess, reserved, -1, 0)
        }
        let null = try RestoreError.about("/dev/null", "cannot be opened") { () throws(Errno) -> OwnedFD in
            try OwnedFD.open("/dev/null", O_RDONLY)
        }
        // Slots for requests that another CPU keeps cannot be had on this one.
        try run(thread, on: Self.first(of: affinity))
        try lender.lend(null.rawValue, to: thread) { (fd) throws(RestoreError) -> Void in
            for ring in image.aioRings { try make(ring, thread, fd, contents(of: ring, process.pid, image)) }
        }
        try run(thread, on: affinity)
    }

    private func make(
        _ ring: AsyncRingImage, _ thread: StubThread, _ null: Int, _ contents: [UInt8]
    ) throws(RestoreError) {
        let subject = "AIO ring \(hexadecimal(ring.address)) of task \(thread.tid)"
        let old = try Self.ends(contents, ring, subject)
        let place = try thread.put(UInt64(0))
        switch try thread.attempt("io_setup", CP_SYS_io_setup, Int(ring.requests), place) {
        case .success: break
        case .failure(.again):
            throw RestoreError(
                subject, "finds too few requests left on this machine", errno: .again,
                remedy: "raise fs.aio-max-nr by \(ring.requests)")
        case .failure(let errno):
            throw RestoreError(subject, "cannot be made", errno: errno)
        }
        let made = RemoteAddress(try thread.scratchValue(as: UInt64.self))
        let places: UInt32 = try Self.read(thread, made + Head.places, subject)
        guard places == old.places else {
            throw RestoreError(
                subject, "has \(places) places for events on this machine and had \(old.places)",
                remedy: "restore on a machine that can have as many CPUs")
        }
        var rest = Int(old.head)
        while rest > 0 {
            rest -= try complete(rest, of: made, thread, null, subject)
            let tail: UInt32 = try Self.read(thread, made + Head.tail, subject)
            try Self.write(thread, made + Head.head, withUnsafeBytes(of: tail) { Array($0) }, subject)
        }
        rest = Int((old.tail + old.places - old.head) % old.places)
        while rest > 0 { rest -= try complete(rest, of: made, thread, null, subject) }
        let ends: (UInt32, UInt32) = try Self.read(thread, made + Head.head, subject)
        guard ends == (old.head, old.tail) else {
            throw RestoreError(subject, "came to stand at \(ends.0) and \(ends.1), not at its old places")
        }
        let events = Array(contents[AsyncRing.headSize...])
        try Self.write(thread, made + AsyncRing.headSize, events, subject)
        let mayMoveFixed = 3
        try thread.call(
            "mremap", CP_SYS_mremap, Int(made.rawValue), Int(ring.length), Int(ring.length), mayMoveFixed,
            Int(ring.address))
    }

    /// Lets some of `count` requests end in the ring; at least one. Their events say nothing.
    private func complete(
        _ count: Int, of ring: RemoteAddress, _ thread: StubThread, _ null: Int, _ subject: String
    ) throws(RestoreError) -> Int {
        // struct iocb of linux/aio_abi.h: a read (0) of one byte.
        var request = [UInt8](repeating: 0, count: Self.requestSize)
        func put(_ value: UInt64, at place: Int, size: Int) {
            for byte in 0..<size { request[place + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
        }
        put(UInt64(null), at: 20, size: 4)
        put(thread.scratch.rawValue, at: 24, size: 8)
        put(1, at: 32, size: 8)
        let address = try thread.put(request)
        let most = (StubLayout.scratchSize - Self.requestSize) / 8
        let wanted = min(count, most)
        let pointer = withUnsafeBytes(of: UInt64(address)) { Array($0) }
        let list = try thread.put(
            [UInt8]((0..<wanted).map { _ in pointer }.joined()), at: Self.requestSize)
        switch try thread.attempt("io_submit", CP_SYS_io_submit, Int(ring.rawValue), wanted, list) {
        case .success(let submitted) where submitted > 0: return submitted
        case .success: throw RestoreError(subject, "takes no request")
        case .failure(let errno):
            throw RestoreError(
                subject, "cannot be brought to its old state", errno: errno,
                remedy: errno == .again ? "restore on a machine that can have as many CPUs" : nil)
        }
    }

    private func contents(
        of ring: AsyncRingImage, _ pid: PID, _ image: MemoryImage
    ) throws(RestoreError) -> [UInt8] {
        let range = ring.address..<ring.address + UInt64(ring.length)
        guard let bytes = pages.bytes(of: image.pages, named: ImageName.pagemap(pid), in: range) else {
            throw RestoreError(
                "AIO ring \(hexadecimal(ring.address)) of task \(pid)", "has no pages in its image")
        }
        return bytes
    }

    /// How many places a ring has, the first event to be read, and the place of the next one.
    private static func ends(
        _ bytes: [UInt8], _ ring: AsyncRingImage, _ subject: String
    ) throws(RestoreError) -> (places: UInt32, head: UInt32, tail: UInt32) {
        func word(_ place: Int) -> UInt32 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: UInt32.self) }
        }
        let places = UInt32((bytes.count - AsyncRing.headSize) / AsyncRing.eventSize)
        // A program may write any number there; the kernel takes what is left over.
        let head = word(Head.head) % places
        guard word(Head.places) == places, word(Head.tail) < places else {
            throw RestoreError(subject, "has a head in its image that cannot be")
        }
        return (places, head, word(Head.tail))
    }

    /// What a restore of rings would fail at, one line each.
    static func problems(_ task: TaskImage, _ memory: MemoryImage, cpus: Int) -> [RestoreError] {
        let areas = memory.areas.filter { $0.status.contains(.aioRing) }
        let subject = "task \(task.pid)"
        var found: [RestoreError] = []
        for area in areas where !memory.aioRings.contains(where: { $0.address == area.start }) {
            found.append(
                RestoreError(subject, "area \(area.name) is an AIO ring that its image does not list"))
        }
        for ring in memory.aioRings {
            let name = "AIO ring \(hexadecimal(ring.address))"
            guard let area = areas.first(where: { $0.start == ring.address }),
                area.end - area.start == UInt64(ring.length)
            else {
                found.append(RestoreError(subject, "\(name) has no area of its size"))
                continue
            }
            if ring.size(cpus: cpus) != UInt64(ring.length) {
                found.append(
                    RestoreError(
                        subject,
                        "\(name) has \(ring.length) bytes, and the kernel would make it \(ring.size(cpus: cpus)) bytes "
                            + "large on this machine, which can have \(cpus) CPUs",
                        remedy: "restore on a machine that can have as many CPUs as the first"))
            }
        }
        return found
    }

    private static func first(of affinity: [UInt64]) -> [UInt64] {
        guard let word = affinity.firstIndex(where: { $0 != 0 }) else { return affinity }
        var one = [UInt64](repeating: 0, count: affinity.count)
        one[word] = affinity[word] & (~affinity[word] &+ 1)
        return one
    }

    private func run(_ thread: StubThread, on cpus: [UInt64]) throws(RestoreError) {
        if cpus.isEmpty { return }
        let mask = try thread.put(cpus.flatMap { word in withUnsafeBytes(of: word) { Array($0) } })
        try thread.call("sched_setaffinity", CP_SYS_sched_setaffinity, 0, cpus.count * 8, mask)
    }

    private static func read<T: BitwiseCopyable>(
        _ thread: StubThread, _ address: RemoteAddress, _ subject: String
    ) throws(RestoreError) -> T {
        try RestoreError.about(subject, "cannot be read") { () throws(Errno) -> T in
            try RemoteMemory.value(PID(thread.tid.rawValue), address, as: T.self)
        }
    }

    private static func write(
        _ thread: StubThread, _ address: RemoteAddress, _ bytes: [UInt8], _ subject: String
    ) throws(RestoreError) {
        try RestoreError.about(subject, "cannot be written") { () throws(Errno) -> Void in
            try RemoteMemory.write(PID(thread.tid.rawValue), address, bytes)
        }
    }
}
