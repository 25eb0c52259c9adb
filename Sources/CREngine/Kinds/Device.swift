/// A device node that is neither a memory device nor a terminal.
package enum Device: FileKind {
    package struct State: Equatable, Sendable {
        package let path: String
        package let device: DeviceNumber
        package let isBlock: Bool
    }
    package static let tag = FileTag.device

    package static func recognise(_ file: OpenFile, in snapshot: Snapshot) -> State? {
        guard let facts = file.facts, facts.type == .characterDevice || facts.type == .blockDevice else {
            return nil
        }
        return State(path: file.link, device: facts.represents, isBlock: facts.type == .blockDevice)
    }

    package static func findings(_ state: State, of file: OpenFile, in context: ScanContext) -> [Finding] {
        let kind = state.isBlock ? "block" : "character"
        let (code, what) = (code(state.path), "\(kind) device \(state.device) \(state.path)")
        guard code == .device else { return [Finding(code, context.object(file), what)] }
        if let given = ExternalFile.findings(file, in: context) { return given }
        if let name = ExternalDevice.name(file, allow: context.allow) {
            return [
                Finding(
                    .device, context.object(file), "\(what), external as dev[\(name)]", severity: .allowed)
            ]
        }
        let key = ExternalDevice.key(file).map { "allow: {external: [\"\($0)\"]}" }
        return [Finding(code, context.object(file), what, remedy: key)]
    }

    static func code(_ path: String) -> FindingCode {
        switch path {
        case _ where path.hasPrefix("/dev/nvidia") || path.hasPrefix("/dev/dri/") || path == "/dev/kfd": .gpu
        case "/dev/kvm": .kvm
        case _ where path.hasPrefix("/dev/infiniband/"): .infiniband
        case "/dev/fuse", "/dev/cuse": .fuse
        case _ where path.hasPrefix("/dev/watchdog"): .watchdogDevice
        default: .device
        }
    }
}
