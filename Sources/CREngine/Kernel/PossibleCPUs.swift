import Glibc

/// CPUs that this machine can ever have.
enum PossibleCPUs {
    /// At least 1. Throws where sysfs does not tell.
    static func count() throws(Errno) -> Int {
        let bytes = try OwnedFD.open("/sys/devices/system/cpu/possible", O_RDONLY).readToEnd()
        // The kernel's own count goes to the highest number.
        let numbers = bytes.split { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard let last = numbers.last, let highest = Int(String(decoding: last, as: UTF8.self)) else {
            throw .io
        }
        return highest + 1
    }
}
