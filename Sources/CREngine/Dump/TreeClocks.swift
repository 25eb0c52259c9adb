import Glibc

/// The clocks as a tree sees them: ours, corrected by the difference of the time namespaces. See time_namespaces(7).
enum TreeClocks {
    /// Readings of CLOCK_MONOTONIC and CLOCK_BOOTTIME as the process would get them now.
    static func read(_ pid: PID) throws(Errno) -> ClockImage {
        let ours = try offsets("/proc/self/timens_offsets")
        let theirs = try offsets("/proc/\(pid)/timens_offsets")
        var image = ClockImage()
        (image.monotonicSeconds, image.monotonicNanoseconds) = reading(
            CLOCK_MONOTONIC, theirs.monotonic - ours.monotonic)
        (image.boottimeSeconds, image.boottimeNanoseconds) = reading(
            CLOCK_BOOTTIME, theirs.boottime - ours.boottime)
        return image
    }

    private static func reading(_ clock: clockid_t, _ difference: Int64) -> (UInt64, UInt64) {
        var time = timespec()
        clock_gettime(clock, &time)
        let nanoseconds = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) + difference
        return (UInt64(nanoseconds / 1_000_000_000), UInt64(nanoseconds % 1_000_000_000))
    }

    /// Nanoseconds against the host's clocks; 0 on kernels without time namespaces.
    private static func offsets(_ path: String) throws(Errno) -> (monotonic: Int64, boottime: Int64) {
        let text: String
        do throws(Errno) {
            text = String(decoding: try OwnedFD.open(path, O_RDONLY).readToEnd(), as: UTF8.self)
        } catch {
            if error == .noEntry { return (0, 0) }
            throw error
        }
        var result: (monotonic: Int64, boottime: Int64) = (0, 0)
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, let seconds = Int64(words[1]), let nanoseconds = Int64(words[2]) else {
                continue
            }
            let offset = seconds * 1_000_000_000 + nanoseconds
            if words[0] == "monotonic" || words[0] == "1" { result.monotonic = offset }
            if words[0] == "boottime" || words[0] == "7" { result.boottime = offset }
        }
        return result
    }
}
