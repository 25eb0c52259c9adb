import CPlatform
import Glibc

/// Who gets SIGIO for an open file: F_GETOWN_EX, F_GETSIG and F_GETOWNER_UIDS of fcntl(2).
enum FileOwner {
    private static let getSignal = 11
    private static let getOwner = 16
    private static let getOwnerUsers = 17

    /// Looks through a short-lived duplicate; O_PATH descriptors have no owner.
    static func read(pidfd: Int32, descriptor: Int32) throws(Errno) -> OwnerImage {
        var image = OwnerImage()
        let file = OwnedFD(taking: Int32(try systemCall(CP_SYS_pidfd_getfd, Int(pidfd), Int(descriptor), 0)))
        var owner: (kind: Int32, pid: Int32) = (0, 0)
        do throws(Errno) {
            try withUnsafeMutablePointer(to: &owner) { (pointer) throws(Errno) -> Void in
                try systemCall(CP_SYS_fcntl, Int(file.rawValue), getOwner, Int(bitPattern: pointer))
            }
        } catch {
            if error == .badDescriptor { return image }
            throw error
        }
        image.signal = UInt32(try systemCall(CP_SYS_fcntl, Int(file.rawValue), getSignal))
        if owner.pid == 0 { return image }
        image.kind = UInt32(bitPattern: owner.kind)
        image.pid = UInt32(bitPattern: owner.pid)
        var users: (real: UInt32, effective: UInt32) = (0, 0)
        try withUnsafeMutablePointer(to: &users) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_fcntl, Int(file.rawValue), getOwnerUsers, Int(bitPattern: pointer))
        }
        image.uid = users.real
        image.euid = users.effective
        return image
    }
}
