import CPlatform
import Glibc

/// Event objects that we make for the tasks: counters and signal descriptors.
enum EventFiles {
    static func open(_ id: UInt32, _ image: EventFDImage) throws(RestoreError) -> OwnedFD {
        try RestoreError.about("eventfd \(id)", "cannot be made again with counter \(image.count)") {
            () throws(Errno) -> OwnedFD in
            let file = OwnedFD(
                taking: Int32(try systemCall(CP_SYS_eventfd2, 0, image.isSemaphore ? 1 : 0)))
            if image.count != 0 {
                try withUnsafePointer(to: image.count) { (count) throws(Errno) -> Void in
                    try systemCall(CP_SYS_write, Int(file.rawValue), Int(bitPattern: count), 8)
                }
            }
            try setFlags(file, image.flags)
            return file
        }
    }

    static func open(_ id: UInt32, _ image: SignalFDImage) throws(RestoreError) -> OwnedFD {
        try RestoreError.about("signalfd \(id)", "cannot be made again") { () throws(Errno) -> OwnedFD in
            let raw = try withUnsafePointer(to: image.mask) { (mask) throws(Errno) -> Int in
                try systemCall(CP_SYS_signalfd4, -1, Int(bitPattern: mask), 8, 0)
            }
            let file = OwnedFD(taking: Int32(raw))
            try setFlags(file, image.flags)
            return file
        }
    }

    /// Status flags but O_ASYNC, which comes with the owner.
    static func setFlags(_ file: borrowing OwnedFD, _ flags: UInt32) throws(Errno) {
        let settable = Int32(bitPattern: flags) & ~(O_ACCMODE | O_ASYNC)
        if settable != 0 { try systemCall(CP_SYS_fcntl, Int(file.rawValue), Int(F_SETFL), Int(settable)) }
    }
}
