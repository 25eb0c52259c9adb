import CPlatform
import Glibc

/// Where in one address space the stub and the scratch mapping go, from /proc/PID/maps of a frozen process.
package struct RemotePlaces: Equatable, Sendable {
    package var stub: RemoteAddress
    package var scratch: RemoteAddress
    /// A run that was killed together with its supervisor left its scratch page there.
    package var scratchIsLeftBehind = false

    /// Bytes of the scratch mapping: one page.
    package static let scratchSize: UInt64 = 4096

    /// Throws where no executable mapping ends in enough unused bytes, or no gap is large enough.
    package static func find(_ pid: PID) throws(TraceError) -> RemotePlaces {
        do throws(Errno) {
            let areas = try areas(pid)
            let candidates = areas.filter { $0.isExecutable && !$0.isWritable && $0.end < topOfUserSpace }.map
            {
                StubPlace.Candidate(
                    start: RemoteAddress($0.start), end: RemoteAddress($0.end), isVDSO: $0.isVDSO)
            }
            guard let stub = try StubPlace.find(pid: pid, candidates: candidates) else {
                throw Errno.noSpace
            }
            let bytes = try RemoteMemory.bytes(pid, stub, count: HealingStub.size)
            if let left = HealingStub.scratch(of: bytes), areas.contains(where: { $0.isScratch(at: left) }) {
                return RemotePlaces(stub: stub, scratch: left, scratchIsLeftBehind: true)
            }
            return RemotePlaces(stub: stub, scratch: RemoteAddress(middleOfLargestGap(areas)))
        } catch {
            if error == .noSpace {
                throw .refused(
                    tid: pid.leader,
                    reason:
                        "it has no vdso, and no executable mapping that ends in \(HealingStub.size) zero bytes"
                )
            }
            throw .failed(operation: "reading its mappings", tid: pid.leader, errno: error)
        }
    }

    /// The mappings of a process.
    static func areas(_ pid: PID) throws(Errno) -> [Area] {
        let text = try OwnedFD.open("/proc/\(pid)/maps", O_RDONLY).readToEnd()
        do throws(ProcFormatError) {
            return try AreaList.parse(text).map { row in
                Area(
                    start: row.start, end: row.end, isExecutable: row.protection & UInt32(PROT_EXEC) != 0,
                    isWritable: row.protection & UInt32(PROT_WRITE) != 0,
                    isVDSO: row.name.hasSuffix("[vdso]"),
                    isAnonymous: row.name.isEmpty && !row.isShared)
            }
        } catch {
            throw .io
        }
    }

    struct Area: Equatable {
        var start: UInt64
        var end: UInt64
        var isExecutable: Bool
        var isWritable: Bool
        var isVDSO: Bool
        /// Private memory that is neither a file's nor the kernel's.
        var isAnonymous: Bool

        /// Whether this may be the scratch page that a run mapped at an address: that page and nothing around it.
        func isScratch(at address: RemoteAddress) -> Bool {
            start == address.rawValue && end == start + scratchSize && isAnonymous && isWritable
                && !isExecutable
        }
    }

    private static let topOfUserSpace: UInt64 = 0x7fff_ffff_f000

    /// Far from every mapping, so that the scratch page never merges with one and no stack is kept from growing.
    static func middleOfLargestGap(_ areas: [Area]) -> UInt64 {
        var best: (size: UInt64, middle: UInt64) = (0, 0x10000)
        var end: UInt64 = 0x10000
        for area in areas where area.start < topOfUserSpace {
            if area.start > end, area.start - end > best.size {
                best = (area.start - end, end + (area.start - end) / 2)
            }
            end = max(end, area.end)
        }
        return best.middle & ~0xfff
    }
}
