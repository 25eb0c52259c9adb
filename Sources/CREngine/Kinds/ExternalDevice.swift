package import PolicyModel

/// A device that a policy calls external, `dev[MAJOR/MINOR]:NAME`: opened again by its path, whatever its driver has kept.
///
/// CRIU means the devices of mounts by it, in a mount namespace that it dumps. A tree on a host has its mounts from the
/// host; what it has of a device is an open file.
package enum ExternalDevice {
    /// The name in the policy; nil for a file that is none, or of which more would be lost than an open file.
    package static func name(_ file: OpenFile, allow: Allowances) -> String? {
        guard let number = file.facts?.represents, Device.code(file.link) == .device else { return nil }
        return allow.external.lazy.compactMap(ExternalResource.device).first {
            DeviceNumber($0.major, $0.minor) == number
        }?.name
    }

    /// `dev[8/1]:sda1`, as a policy would name it; nil for what is no device.
    package static func key(_ file: OpenFile) -> String? {
        guard let facts = file.facts, facts.type == .characterDevice || facts.type == .blockDevice else {
            return nil
        }
        let words = file.link.split(separator: "/").last ?? ""
        let name = words.filter { !"[]:".contains($0) }
        return "dev[\(facts.represents.major)/\(facts.represents.minor)]:\(name.isEmpty ? "device" : name)"
    }

    /// What a restore puts in its place; nil where the policy does not name it.
    static func ending(_ file: OpenFile, in context: ScanContext) -> StreamEnding? {
        guard Device.recognise(file, in: context.snapshot) != nil, let facts = file.facts,
            let name = name(file, allow: context.allow)
        else { return nil }
        return .device(name: name, path: file.link, facts.represents)
    }
}
