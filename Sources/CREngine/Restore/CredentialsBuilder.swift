import CPlatform
import Glibc

/// Gives a thread its ids, capabilities and securebits, in an order in which no step takes the right to the next.
struct CredentialsBuilder {
    /// What every stub has: ours, or those of the root of the tree's own user namespace.
    let inherited: CredentialsImage
    /// Highest capability number of this kernel.
    let lastCapability: Int

    init(of tree: TreeImage) throws(RestoreError) {
        let (own, last) = try RestoreError.about("this process", "its credentials cannot be read") {
            () throws(Errno) in
            let last = try ProcText.read("/proc/sys/kernel/cap_last_cap")
            let number = Int(last.prefix { $0 != "\n" }) ?? 40
            return (try CredentialsBuilder.read(), number)
        }
        lastCapability = last
        inherited =
            UserNamespaceRestore(tree)?.credentials(
                lastCapability: last, noNewPrivileges: own.noNewPrivileges) ?? own
    }

    /// What an image asks for, without the capabilities that this kernel does not know.
    func wanted(_ image: CredentialsImage) -> CredentialsImage {
        let known = lastCapability >= 63 ? UInt64.max : (UInt64(1) << UInt64(lastCapability + 1)) - 1
        var result = image
        result.inheritable &= known
        result.permitted &= known
        result.effective &= known
        result.bounding &= known
        result.ambient &= known
        result.securityProfile = nil
        result.socketProfile = nil
        return result
    }

    func apply(_ image: CredentialsImage, to thread: StubThread) throws(RestoreError) {
        let target = wanted(image)
        if target != inherited { try change(thread, target) }
        if image.noNewPrivileges && !inherited.noNewPrivileges {
            try thread.call("prctl", CP_SYS_prctl, 38, 1, 0, 0, 0)
        }
    }

    private func change(_ thread: StubThread, _ target: CredentialsImage) throws(RestoreError) {
        if target.groups != inherited.groups {
            let bytes = target.groups.flatMap { group in withUnsafeBytes(of: group) { Array($0) } }
            try thread.call("setgroups", CP_SYS_setgroups, target.groups.count, try thread.put(bytes))
        }
        // With these bits the kernel leaves the capability sets alone while ids change.
        let keepCapabilities = 0x10 | 0x4
        let setSecurebits = 28
        try thread.call("prctl", CP_SYS_prctl, setSecurebits, keepCapabilities)
        try thread.call("setresgid", CP_SYS_setresgid, Int(target.gid), Int(target.egid), Int(target.sgid))
        try thread.call("setfsgid", CP_SYS_setfsgid, Int(target.fsgid))
        try thread.call("setresuid", CP_SYS_setresuid, Int(target.uid), Int(target.euid), Int(target.suid))
        try thread.call("setfsuid", CP_SYS_setfsuid, Int(target.fsuid))
        // The ambient set needs the inheritable one, and the bounding set may be smaller than both.
        try setCapabilities(
            thread, effective: inherited.effective, permitted: inherited.permitted,
            inheritable: target.inheritable)
        for capability in bits(target.ambient) {
            try thread.call("prctl", CP_SYS_prctl, 47, 2, capability, 0, 0)
        }
        for capability in bits(inherited.bounding & ~target.bounding) {
            try thread.call("prctl", CP_SYS_prctl, 24, capability)
        }
        try thread.call("prctl", CP_SYS_prctl, setSecurebits, Int(target.securebits))
        try setCapabilities(
            thread, effective: target.effective, permitted: target.permitted, inheritable: target.inheritable)
    }

    private func bits(_ set: UInt64) -> [Int] {
        (0...lastCapability).filter { set >> UInt64($0) & 1 == 1 }
    }

    private func setCapabilities(
        _ thread: StubThread, effective: UInt64, permitted: UInt64, inheritable: UInt64
    ) throws(RestoreError) {
        let version3: UInt32 = 0x2008_0522
        let header = try thread.put((version3, UInt32(0)))
        let words: [UInt32] = [
            UInt32(truncatingIfNeeded: effective), UInt32(truncatingIfNeeded: permitted),
            UInt32(truncatingIfNeeded: inheritable), UInt32(effective >> 32), UInt32(permitted >> 32),
            UInt32(inheritable >> 32),
        ]
        let data = try thread.put(words.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }, at: 16)
        try thread.call("capset", CP_SYS_capset, header, data)
    }

    /// Our own, from /proc/self/status and prctl(2).
    private static func read() throws(Errno) -> CredentialsImage {
        let status = try ProcText.read("/proc/thread-self/status")
        func numbers(_ key: String, radix: Int) -> [UInt64] {
            (ProcText.statusValue(status, key) ?? "").split { $0 == "\t" || $0 == " " }
                .compactMap { UInt64($0, radix: radix) }
        }
        var result = CredentialsImage()
        let uids = numbers("Uid", radix: 10).map { UInt32(truncatingIfNeeded: $0) }
        let gids = numbers("Gid", radix: 10).map { UInt32(truncatingIfNeeded: $0) }
        guard uids.count == 4, gids.count == 4 else { throw .invalid }
        (result.uid, result.euid, result.suid, result.fsuid) = (uids[0], uids[1], uids[2], uids[3])
        (result.gid, result.egid, result.sgid, result.fsgid) = (gids[0], gids[1], gids[2], gids[3])
        result.groups = numbers("Groups", radix: 10).map { UInt32(truncatingIfNeeded: $0) }
        result.inheritable = numbers("CapInh", radix: 16).first ?? 0
        result.permitted = numbers("CapPrm", radix: 16).first ?? 0
        result.effective = numbers("CapEff", radix: 16).first ?? 0
        result.bounding = numbers("CapBnd", radix: 16).first ?? 0
        result.ambient = numbers("CapAmb", radix: 16).first ?? 0
        result.noNewPrivileges = numbers("NoNewPrivs", radix: 10).first == 1
        result.securebits = UInt32(try systemCall(CP_SYS_prctl, 27))
        return result
    }
}
