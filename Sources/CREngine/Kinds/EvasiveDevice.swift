import PolicyModel

/// The rule for devices that a restore opens by a path: one whose own is gone or covered may be opened by another of the
/// same number.
enum EvasiveDevice {
    static func findings(_ file: OpenFile, in context: ScanContext) -> [Finding] {
        let object = context.object(file)
        switch file.reach {
        case .same, .notAPath: return []
        case .unknown: return [Finding(.pathUnknown, object, file.link)]
        case .gone, .other: break
        }
        let device = file.facts.map { "\($0.represents)" } ?? "?"
        guard let name = file.otherName else {
            return [
                Finding(
                    .pathReplaced, object, "device \(device) \(file.link), of which no other node is in /dev")
            ]
        }
        let isAllowed = allows(context.allow.evasiveDevices, file)
        return [
            Finding(
                .evasiveDevice, object, "device \(device) \(file.link), opened as \(name)",
                severity: isAllowed ? .allowed : nil,
                remedy: "allow: {evasive-devices: [\"\(device)\"]}")
        ]
    }

    /// Whether the device may be opened by another name.
    static func allows(_ allowance: RuledAllowance<DeviceRule>, _ file: OpenFile) -> Bool {
        switch allowance {
        case .denied: false
        case .all: true
        case .rules(let rules):
            rules.contains { rule in
                switch rule {
                case .path(let glob): glob.matches(file.link)
                case .number(let major, let minor): file.facts?.represents == DeviceNumber(major, minor)
                }
            }
        }
    }
}
