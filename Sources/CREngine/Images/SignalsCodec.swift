import CPlatform

// Pending signals, dispositions and timers of core-TID.img.

/// A queue of raw siginfo_t.
enum SignalQueue {
    /// sizeof(siginfo_t)
    static let size = 128

    static func message(
        _ signals: [[UInt8]], in arena: MessageArena
    ) -> UnsafeMutablePointer<SignalQueueEntry> {
        let message = arena.make(signal_queue_entry__init)
        let list = signals.map { signal in
            let one = arena.make(siginfo_entry__init)
            one.pointee.siginfo = arena.data(signal)
            return one
        }
        (message.pointee.n_signals, message.pointee.signals) = (list.count, arena.array(messages: list))
        return message
    }

    static func read(
        _ message: UnsafeMutablePointer<SignalQueueEntry>?, _ entry: ImageEntry
    ) throws(ImageError) -> [[UInt8]] {
        guard let queue = message?.pointee else { return [] }
        var signals: [[UInt8]] = []
        for one: SiginfoEntry in messageList(queue.signals, queue.n_signals) {
            guard one.siginfo.len == size else {
                throw entry.error("pending signal has \(one.siginfo.len) bytes where \(size) belong")
            }
            signals.append(dataBytes(one.siginfo))
        }
        return signals
    }
}

extension SignalActionImage {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<SaEntry> {
        let message = arena.make(sa_entry__init)
        message.pointee.sigaction = handler
        message.pointee.flags = flags
        message.pointee.restorer = restorer
        message.pointee.mask = mask
        (message.pointee.has_compat_sigaction, message.pointee.compat_sigaction) = (1, 0)
        return message
    }

    init(_ message: SaEntry) {
        self.init()
        handler = message.sigaction
        flags = message.flags
        restorer = message.restorer
        mask = message.mask
    }
}

extension IntervalTimerImage {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<ItimerEntry> {
        let message = arena.make(itimer_entry__init)
        message.pointee.isec = intervalSeconds
        message.pointee.iusec = intervalMicroseconds
        message.pointee.vsec = valueSeconds
        message.pointee.vusec = valueMicroseconds
        return message
    }

    init(_ message: ItimerEntry, _ entry: ImageEntry) throws(ImageError) {
        guard message.iusec < 1_000_000, message.vusec < 1_000_000 else {
            throw entry.error("interval timer has more microseconds than a second has")
        }
        self.init()
        intervalSeconds = message.isec
        intervalMicroseconds = message.iusec
        valueSeconds = message.vsec
        valueMicroseconds = message.vusec
    }
}

extension PosixTimerImage {
    func message(in arena: MessageArena) -> UnsafeMutablePointer<PosixTimerEntry> {
        let message = arena.make(posix_timer_entry__init)
        message.pointee.it_id = id
        message.pointee.clock_id = clock
        message.pointee.si_signo = signal
        message.pointee.it_sigev_notify = notify
        message.pointee.sival_ptr = sigval
        message.pointee.overrun = overrun
        message.pointee.isec = intervalSeconds
        message.pointee.insec = intervalNanoseconds
        message.pointee.vsec = valueSeconds
        message.pointee.vnsec = valueNanoseconds
        if let notifyThread {
            (message.pointee.has_notify_thread_id, message.pointee.notify_thread_id) = (1, notifyThread)
        }
        return message
    }

    init(_ message: PosixTimerEntry, _ entry: ImageEntry) throws(ImageError) {
        guard message.insec < 1_000_000_000, message.vnsec < 1_000_000_000 else {
            throw entry.error("timer \(message.it_id) has more nanoseconds than a second has")
        }
        self.init()
        id = message.it_id
        clock = message.clock_id
        signal = message.si_signo
        notify = message.it_sigev_notify
        sigval = message.sival_ptr
        overrun = message.overrun
        intervalSeconds = message.isec
        intervalNanoseconds = message.insec
        valueSeconds = message.vsec
        valueNanoseconds = message.vnsec
        notifyThread = given(message.has_notify_thread_id, message.notify_thread_id)
    }
}
