import PolicyModel

/// One end of a pipe without a name.
package enum Pipe: FileKind {
    package struct State: Equatable, Sendable {
        /// Tells the pipe.
        package let inode: UInt64
        package let canRead: Bool
        package let canWrite: Bool
    }
    package static let tag = FileTag.pipe
    private static let packetMode: UInt32 = 0o40000

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard file.link.hasPrefix("pipe:["), file.facts.map({ $0.type == .fifo }) ?? true else { return nil }
        return State(inode: file.inode, canRead: file.canRead, canWrite: file.canWrite)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        var found: [Finding] = []
        let outsiders = context.outsiders(state.inode)
        if !outsiders.isEmpty {
            let peer = outsiders.joined(separator: ", ")
            let finding = context.leadsOut(
                .pipeOutside, file, "\(file.link), also held by \(peer)", peer: peer)
            let rule = OutsideStreams.rule(of: file, kind: .pipe, in: context)
            found.append(rule?.allowed(finding) ?? finding)
        }
        if file.info.flags & packetMode != 0 {
            found.append(Finding(.packetPipe, context.object(file), file.link))
        }
        return found
    }
}
