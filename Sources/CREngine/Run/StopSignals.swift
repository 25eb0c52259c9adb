import CPlatform
import Glibc

/// SIGINT, SIGTERM and SIGHUP as something to read instead of something that ends us, while the value lives.
package struct StopSignals: ~Copyable {
    private let fd: OwnedFD
    private let before: sigset_t
    private let latch = Latch()

    /// What was read once stays known.
    private final class Latch {
        var first: Int32?
    }

    private static let informationSize = 128

    /// Blocks the signals in this thread. See signalfd(2).
    package init() throws(Errno) {
        let signals = [SIGINT, SIGTERM, SIGHUP]
        var kernelMask = signals.reduce(UInt64(0)) { $0 | 1 << UInt64($1 - 1) }
        let flags = O_CLOEXEC | O_NONBLOCK
        let raw = try withUnsafeMutablePointer(to: &kernelMask) { (pointer) throws(Errno) -> Int in
            try systemCall(CP_SYS_signalfd4, -1, Int(bitPattern: pointer), 8, Int(flags))
        }
        var wanted = sigset_t()
        sigemptyset(&wanted)
        for signal in signals { sigaddset(&wanted, signal) }
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &wanted, &before)
        fd = OwnedFD(taking: Int32(raw))
        self.before = before
    }

    deinit {
        var mask = before
        pthread_sigmask(SIG_SETMASK, &mask, nil)
    }

    /// To be waited on with poll(2).
    var descriptor: Int32 { fd.rawValue }

    /// The first signal that came; nil as long as none did. It ends all that is still to be done, not only what asks.
    package var received: Int32? {
        var information = [UInt8](repeating: 0, count: StopSignals.informationSize)
        while read(fd.rawValue, &information, information.count) == information.count {
            let signal = information.withUnsafeBytes { Int32($0.loadUnaligned(as: UInt32.self)) }
            latch.first = latch.first ?? signal
        }
        return latch.first
    }
}
