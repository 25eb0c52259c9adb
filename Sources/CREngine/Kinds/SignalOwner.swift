/// The rule for who gets the signals of an open file (F_SETOWN of fcntl(2)).
///
/// /proc does not name the owner. That a file makes signals at all shows by O_ASYNC, and of sockets not even that is
/// needed for SIGURG; the dump asks each stopped task.
enum SignalOwner {
    private static let async: UInt32 = 0o20000

    static func findings(_ file: OpenFile, in context: ScanContext) -> [Finding] {
        guard !context.snapshot.isFrozen, file.info.flags & async != 0 else { return [] }
        return [
            Finding(
                .signalOwner, context.object(file), "\(file.link) with O_ASYNC, whose owner is not known yet",
                severity: .warn)
        ]
    }
}
