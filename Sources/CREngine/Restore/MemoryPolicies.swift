import CPlatform
import Glibc

/// Memory policies of threads and of areas. See numa(7).
enum MemoryPolicies {
    private static let staticNodes: Int32 = 1 << 15
    private static let relativeNodes: Int32 = 1 << 14

    /// set_mempolicy(2)
    static func set(_ policy: MemoryPolicyImage, of thread: StubThread) throws(RestoreError) {
        let nodes = try put(policy, thread)
        try thread.call(
            "set_mempolicy", CP_SYS_set_mempolicy, Int(policy.mode), nodes, policy.nodes.count * 64 + 1)
    }

    /// mbind(2), before pages of the area come to be.
    static func bind(_ area: AreaImage, by thread: StubThread) throws(RestoreError) {
        guard let policy = area.memoryPolicy else { return }
        let nodes = try put(policy, thread)
        let length = Int(area.end - area.start)
        try thread.call(
            "mbind", CP_SYS_mbind, Int(area.start), length, Int(policy.mode), nodes,
            policy.nodes.count * 64 + 1)
        if let home = policy.homeNode {
            let setHomeNode = 450
            try thread.call(
                "set_mempolicy_home_node", setHomeNode, Int(area.start), length, Int(home), 0)
        }
    }

    /// Policies that cannot be set here, one line each.
    static func problems(_ task: TaskImage, _ memory: MemoryImage) -> [RestoreError] {
        var wanted = task.threads.compactMap { thread in
            thread.memoryPolicy.map { ("task \(thread.tid)", "its memory", $0) }
        }
        wanted += memory.areas.compactMap { area in
            area.memoryPolicy.map { ("task \(task.pid)", "area \(area.name)", $0) }
        }
        if wanted.isEmpty { return [] }
        let here = nodesHere()
        return wanted.compactMap { (subject, what, policy) in
            var missing = missing(policy, here: here)
            if let home = policy.homeNode, !here.contains(Int(home)) { missing.append(Int(home)) }
            if missing.isEmpty { return nil }
            let names = Set(missing).sorted().map(String.init).joined(separator: ", ")
            return RestoreError(
                subject, "\(what) is bound to nodes that have no memory on this machine (\(names))",
                remedy: "restore on a machine with those nodes; see numactl(8)")
        }
    }

    /// Nodes that a policy needs and that have no memory here; empty where it can be set.
    ///
    /// The kernel leaves out those of MPOL_F_STATIC_NODES that are not there, but for the last, and maps those of
    /// MPOL_F_RELATIVE_NODES to what is there.
    static func missing(_ policy: MemoryPolicyImage, here: Set<Int>) -> [Int] {
        let wanted = policy.nodes.enumerated().flatMap { (place, word) in
            (0..<64).filter { word >> UInt64($0) & 1 == 1 }.map { place * 64 + $0 }
        }
        let missing = wanted.filter { !here.contains($0) }
        if policy.mode & relativeNodes != 0 { return [] }
        return policy.mode & staticNodes != 0 && missing.count < wanted.count ? [] : missing
    }

    /// Nodes of this machine that have memory; 0 alone for a kernel without NUMA.
    static func nodesHere() -> Set<Int> {
        guard let bytes = try? OwnedFD.open("/sys/devices/system/node/has_memory", O_RDONLY).readToEnd()
        else { return [0] }
        var found: Set<Int> = []
        for part in String(decoding: bytes, as: UTF8.self).split(whereSeparator: { ", \n".contains($0) }) {
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { continue }
            found.formUnion(first...last)
        }
        return found
    }

    private static func put(_ policy: MemoryPolicyImage, _ thread: StubThread) throws(RestoreError) -> Int {
        try thread.put(policy.nodes.flatMap { word in withUnsafeBytes(of: word) { Array($0) } })
    }
}
