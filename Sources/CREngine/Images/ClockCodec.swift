import CPlatform

// timens-0.img.

extension ClockImage {
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(timens_entry__init)
            let monotonic = arena.make(timespec__init)
            (monotonic.pointee.tv_sec, monotonic.pointee.tv_nsec) = (monotonicSeconds, monotonicNanoseconds)
            message.pointee.monotonic = monotonic
            let boottime = arena.make(timespec__init)
            (boottime.pointee.tv_sec, boottime.pointee.tv_nsec) = (boottimeSeconds, boottimeNanoseconds)
            message.pointee.boottime = boottime
            return message
        }
    }

    init(_ entry: ImageEntry) throws(ImageError) {
        self = try entry.read(timens_entry__unpack) { (message) throws(ImageError) -> ClockImage in
            let (monotonic, boottime) = (message.monotonic.pointee, message.boottime.pointee)
            guard monotonic.tv_nsec < 1_000_000_000, boottime.tv_nsec < 1_000_000_000 else {
                throw entry.error("clock has more nanoseconds than a second has")
            }
            var clock = ClockImage()
            (clock.monotonicSeconds, clock.monotonicNanoseconds) = (monotonic.tv_sec, monotonic.tv_nsec)
            (clock.boottimeSeconds, clock.boottimeNanoseconds) = (boottime.tv_sec, boottime.tv_nsec)
            return clock
        }
    }
}
