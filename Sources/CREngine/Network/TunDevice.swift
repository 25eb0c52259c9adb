import CPlatform
import Glibc

/// A persistent device of tun.c: made by ioctls of a descriptor, which is closed again.
enum TunDevice {
    private static let setInterface = 0x4004_54ca
    private static let setPersistent = 0x4004_54cb
    private static let setOwner = 0x4004_54cc
    private static let setGroup = 0x4004_54ce
    private static let setHeaderSize = 0x4004_54d8
    private static let setIndex = 0x4004_54da
    /// `struct ifreq`
    private static let requestSize = 40
    private static let nameSize = 16

    /// In the namespace that the calling thread is in.
    static func make(_ link: NetworkLinkImage) throws(NetworkError) {
        guard let tun = link.tun else { throw NetworkError(link.subject, "lacks the parameters of its kind") }
        try NetworkError.about(link.subject, "cannot be made by /dev/net/tun") { () throws(Errno) -> Void in
            let device = try OwnedFD.open("/dev/net/tun", O_RDWR)
            let fd = Int(device.rawValue)
            try set(fd, setIndex, link.index)
            var request = [UInt8](repeating: 0, count: requestSize)
            request.replaceSubrange(0..<link.name.utf8.count, with: Array(link.name.utf8))
            let flags = UInt16(truncatingIfNeeded: tun.flags & ~NetworkLinkImage.Tun.persists)
            request.replaceSubrange(nameSize..<nameSize + 2, with: SockDiag.bytes(flags))
            try request.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Void in
                try systemCall(CP_SYS_ioctl, fd, setInterface, Int(bitPattern: buffer.baseAddress))
            }
            if tun.flags & NetworkLinkImage.Tun.virtioHeader != 0 {
                try set(fd, setHeaderSize, tun.headerSize)
            }
            if tun.owner != -1 {
                try systemCall(CP_SYS_ioctl, fd, setOwner, Int(UInt32(bitPattern: tun.owner)))
            }
            if tun.group != -1 {
                try systemCall(CP_SYS_ioctl, fd, setGroup, Int(UInt32(bitPattern: tun.group)))
            }
            try systemCall(CP_SYS_ioctl, fd, setPersistent, 1)
        }
    }

    private static func set(_ fd: Int, _ request: Int, _ value: UInt32) throws(Errno) {
        var value = value
        try withUnsafeMutablePointer(to: &value) { (pointer) throws(Errno) -> Void in
            try systemCall(CP_SYS_ioctl, fd, request, Int(bitPattern: pointer))
        }
    }
}
