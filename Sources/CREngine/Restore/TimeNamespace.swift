import CPlatform
import Glibc

/// The time namespace of a restored tree: CLOCK_MONOTONIC and CLOCK_BOOTTIME go on where they stopped.
///
/// Without it the clocks would jump, after a reboot backwards. See time_namespaces(7).
enum TimeNamespace {
    /// Puts the root into a namespace of its own, before it has children.
    static func enter(_ root: StubThread, clocks: ClockImage, lender: Lender) throws(RestoreError) {
        let newTime = 0x80
        try root.call("unshare", CP_SYS_unshare, newTime)
        let subject = "time namespace of task \(root.tid)"
        try RestoreError.about(subject, "its offsets cannot be set") { () throws(Errno) -> Void in
            let ours = try currentOffsets()
            let text =
                line(
                    "monotonic", clocks.monotonicSeconds, clocks.monotonicNanoseconds, CLOCK_MONOTONIC, ours.0
                )
                + line("boottime", clocks.boottimeSeconds, clocks.boottimeNanoseconds, CLOCK_BOOTTIME, ours.1)
            try ProcText.write("/proc/\(root.tid)/timens_offsets", text)
        }
        let namespace = try RestoreError.about(subject, "cannot be opened") { () throws(Errno) in
            try OwnedFD.open("/proc/\(root.tid)/ns/time_for_children", O_RDONLY)
        }
        try lender.lend(namespace.rawValue, to: root) { (fd) throws(RestoreError) -> Void in
            try root.call("setns", CP_SYS_setns, fd, newTime)
        }
    }

    private static let billion: Int64 = 1_000_000_000

    /// One line of timens_offsets: what has to be added to the host's clock for it to show the saved time.
    private static func line(
        _ name: String, _ seconds: UInt64, _ nanoseconds: UInt64, _ clock: clockid_t, _ ours: Int64
    ) -> String {
        var now = timespec()
        clock_gettime(clock, &now)
        let host = Int64(now.tv_sec) * billion + Int64(now.tv_nsec) - ours
        let saved = Int64(truncatingIfNeeded: seconds) &* billion &+ Int64(truncatingIfNeeded: nanoseconds)
        let offset = saved &- host
        // The kernel wants nanoseconds in 0..<1e9.
        var whole = offset / billion
        var rest = offset % billion
        if rest < 0 {
            whole -= 1
            rest += billion
        }
        return "\(name) \(whole) \(rest)\n"
    }

    /// Offsets of our own namespace in nanoseconds: monotonic, boottime.
    private static func currentOffsets() throws(Errno) -> (Int64, Int64) {
        var monotonic: Int64 = 0
        var boottime: Int64 = 0
        for row in try ProcText.read("/proc/self/timens_offsets").split(separator: "\n") {
            let fields = row.split(separator: " ")
            guard fields.count == 3, let seconds = Int64(fields[1]), let nanoseconds = Int64(fields[2]) else {
                continue
            }
            let value = seconds * billion + nanoseconds
            if fields[0] == "monotonic" { monotonic = value } else { boottime = value }
        }
        return (monotonic, boottime)
    }
}
