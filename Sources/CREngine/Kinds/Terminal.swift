import PolicyModel

/// A terminal: a side of a pseudo terminal, a virtual console, a serial line, or /dev/tty.
package enum Terminal: FileKind {
    package enum State: Equatable, Sendable {
        case master(path: String, index: String?)
        case slave(path: String, device: DeviceNumber)
    }
    package static let tag = FileTag.terminal

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard let facts = file.facts, facts.type == .characterDevice else { return nil }
        let device = facts.represents
        switch device.major {
        case 5 where device.minor == 2, 128...135:
            return .master(path: file.link, index: file.info.detail("tty-index"))
        // Consoles and serial lines, /dev/tty and /dev/console, pseudo terminals, USB and virtio serial lines.
        case 4, 5, 136...143, 166, 188, 204, 229: return .slave(path: file.link, device: device)
        default: return nil
        }
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        switch state {
        case .master(let path, let index):
            let number = index.map { " of /dev/pts/\($0)" } ?? ""
            return [
                Finding(.terminalMaster, context.object(file), "pseudo terminal master \(path)\(number)")
            ]
        case .slave(let path, _):
            return [context.leadsOut(.terminal, file, "terminal \(path)", peer: nil)]
        }
    }
}
