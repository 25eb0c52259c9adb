package import PolicyModel

/// The scan rules of a mount namespace: what of it no restore can make again, and what comes from outside.
package enum MountRules {
    package static func findings(_ facts: MountNamespaceFacts, _ allow: MountAllowances) -> [Finding] {
        let survey: MountSurvey
        do throws(MountTree<MountRow>.Flaw) {
            survey = try MountSurvey(facts, allow)
        } catch {
            return [Finding(.mountTree, FindingObject(pid: facts.pid), "\(error.description)")]
        }
        var found: [Finding] = []
        if let cover = facts.rows.first(where: { $0.mountPoint == "/" && $0.id != survey.tree.root.id }) {
            found.append(Finding(.mountCovered, object(cover, facts), describe(cover)))
        }
        for mount in survey.mounts {
            found += origin(mount, survey)
            found += sharing(mount, survey, allow)
        }
        return found
    }

    private static func origin(_ mount: MountSurvey.Placed, _ survey: MountSurvey) -> [Finding] {
        let (row, facts) = (mount.row, survey.facts)
        func make(
            _ code: FindingCode, _ addition: String = "", _ severity: Finding.Severity? = nil,
            remedy: String? = nil
        ) -> Finding {
            Finding(
                code, object(row, facts), describe(row) + addition, severity: severity,
                remedy: remedy
                    ?? code.entry.remedy?.replacing("MOUNTPOINT", with: row.mountPoint)
                    .replacing("FILESYSTEM", with: row.fileSystem))
        }
        switch mount.origin {
        case .root, .bind: return []
        case .external(let external):
            return [make(.mountExternal, external.source.map { ", from \($0)" } ?? "", .allowed)]
        case .detected(let source): return [make(.mountExternal, ", from \(source)", .allowed)]
        case .device(let name): return [make(.mountExternal, ", device \(name)", .allowed)]
        case .skipped: return [make(.mountSkipped)]
        case .anew:
            if MountFileSystem.named(row.fileSystem).making == .fromOutside {
                return [make(.mountUnsupported, "", .allowed)]
            }
            let isShared =
                row.fileSystem == "tmpfs" && facts.ownRows.contains { $0.device == row.device }
            if !isShared { return [] }
            // One that is hidden outside too is nobody's any more, and no map could lead to it.
            let isReached = MountSurvey.pathOutside(of: row, facts.ownRows) != nil
            return [
                make(.mountCopied, isReached ? "" : ", which is covered outside", isReached ? nil : .warn)
            ]
        case .none(.mountExternal):
            let source = MountSurvey.pathOutside(of: row, facts.ownRows) ?? "SOURCE"
            return [
                make(.mountExternal, remedy: "allow: {ext-mount-map: {\(row.mountPoint): \(source)}}")
            ]
        case .none(let code): return [make(code)]
        }
    }

    private static func sharing(
        _ mount: MountSurvey.Placed, _ survey: MountSurvey, _ allow: MountAllowances
    ) -> [Finding] {
        let (row, facts) = (mount.row, survey.facts)
        if mount.origin == .skipped { return [] }
        var isFromOutside = false
        switch mount.origin {
        case .external, .detected, .device: isFromOutside = true
        default: break
        }
        let isRoot = mount.origin == .root
        var found: [Finding] = []
        if row.peerGroup != 0, facts.ownRows.contains(where: { $0.peerGroup == row.peerGroup }) {
            let isAllowed = allow.acceptsPeers && isFromOutside
            found.append(
                Finding(
                    .mountPeers, object(row, facts), describe(row) + ", shared:\(row.peerGroup)",
                    severity: isAllowed ? .allowed : nil))
        }
        guard row.masterGroup != 0 else { return found }
        let master = facts.rows.first { $0.peerGroup == row.masterGroup && $0.device == row.device }
        if master != nil { return found }
        let what = describe(row) + ", master:\(row.masterGroup)"
        guard facts.ownRows.contains(where: { $0.peerGroup == row.masterGroup }) else {
            return found + [Finding(.mountSharing, object(row, facts), what)]
        }
        if isRoot {
            // It comes back as the restore's root directory is, and receives nothing any more.
            return found + [Finding(.mountMaster, object(row, facts), what + " (the root)", severity: .warn)]
        }
        let isAllowed = allow.acceptsMasters && isFromOutside
        return found + [
            Finding(.mountMaster, object(row, facts), what, severity: isAllowed ? .allowed : nil)
        ]
    }

    private static func object(_ row: MountRow, _ facts: MountNamespaceFacts) -> FindingObject {
        FindingObject(pid: facts.pid, path: row.mountPoint)
    }

    /// `mount 94 at /data (ext4 /srv/x)`
    private static func describe(_ row: MountRow) -> String {
        "mount \(row.id) at \(row.mountPoint) (\(row.fileSystem) \(row.root))"
    }
}

extension MountTree.Flaw: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noRoot: "no mount is the root"
        case .severalRoots(let ids): "mounts \(Self.list(ids)) have no parent among the others"
        case .ring(let ids): "mounts \(Self.list(ids)) lie on each other"
        case .outsideParent(let id): "mount \(id) does not lie in its parent"
        }
    }

    private static func list(_ ids: [UInt32]) -> String { ids.map(String.init).joined(separator: ", ") }
}
