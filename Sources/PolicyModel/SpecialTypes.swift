/// The types of values that have a small grammar of their own.
extension ValueType where Value == Principal {
    static var principal: ValueType {
        ValueType(.anyOf([.integer(0...4_294_967_294), .text(pattern: nil)])) { node, keyPath, context in
            guard let (text, plain) = context.scalar(node, keyPath, expected: "a name or a number") else {
                return nil
            }
            if plain, let number = Units.number(text.utf8[...]) {
                guard number < 4_294_967_295 else {
                    return context.reject(node) { .notAPrincipal(keyPath, text, $0) }
                }
                return .number(UInt32(number))
            }
            guard let name = context.text(node, keyPath, expected: "a name or a number") else { return nil }
            guard !name.isEmpty, !name.contains(":"), !name.contains("\n") else {
                return context.reject(node) { .notAPrincipal(keyPath, node.flowText, $0) }
            }
            return .name(name)
        }
    }
}

extension ValueType where Value == TTYMatcher {
    static var tty: ValueType {
        ValueType(.text(pattern: nil)) { node, keyPath, context in
            if node.content == .scalar("none", plain: true) { return .absent }
            return ValueType<Glob>.glob.read(node, keyPath, &context).map { .glob($0) }
        }
    }
}

extension ValueType where Value == CronExpression {
    static var cron: ValueType {
        ValueType(.text(pattern: nil)) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "a crontab(5) time") else { return nil }
            do throws(CronExpression.SyntaxError) {
                return try CronExpression(parsing: text)
            } catch {
                let place = context.source.location(node.place)
                let shift = place.length == text.unicodeScalars.count + 2 ? 1 : 0
                let isOneLine = place.length == text.unicodeScalars.count + 2 * shift
                context.diagnostics.append(
                    .brokenCron(
                        keyPath, error.reason,
                        isOneLine ? place.shifted(by: error.offset + shift, length: error.length) : place))
                return nil
            }
        }
    }
}

extension ValueType where Value == IPNetwork? {
    /// Nil stands for `any`.
    static var network: ValueType {
        ValueType(.text(pattern: nil)) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "an address or a network") else {
                return nil
            }
            if text == "any" { return .some(nil) }
            guard let network = IPNetwork(text) else {
                return context.reject(node) { .notANetwork(keyPath, node.flowText, $0) }
            }
            return network
        }
    }
}

extension ValueType where Value == PortSet {
    static var ports: ValueType {
        let range = ValueType<ClosedRange<UInt16>>(
            .anyOf([.integer(1...65535), .text(pattern: "^[0-9]+-[0-9]+$")])
        ) { node, keyPath, context in
            guard let (text, plain) = context.scalar(node, keyPath, expected: "a port or a range of ports")
            else {
                return nil
            }
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map {
                Units.number($0.utf8)
            }
            guard ends.count == 2 || (ends.count == 1 && plain), let first = ends[0], first >= 1,
                let last = ends[ends.count - 1], last <= 65535, first <= last
            else { return context.reject(node) { .notPorts(keyPath, node.flowText, $0) } }
            return UInt16(first)...UInt16(last)
        }
        return ValueType<[ClosedRange<UInt16>]>.oneOrMore(range).map { PortSet($0) }
    }
}

extension ValueType where Value == DeviceRule {
    static var device: ValueType {
        ValueType(.text(pattern: nil)) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "a device") else { return nil }
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map {
                Units.number($0.utf8)
            }
            if parts.count == 2, let major = parts[0], let minor = parts[1], major < 1 << 12, minor < 1 << 20
            {
                return .number(major: UInt32(major), minor: UInt32(minor))
            }
            guard text.hasPrefix("/") else {
                return context.reject(node) { .notADevice(keyPath, node.flowText, $0) }
            }
            return ValueType<Glob>.pathGlob.read(node, keyPath, &context).map { .path($0) }
        }
    }
}

extension ValueType where Value == GhostLimit {
    static var ghostLimit: ValueType {
        ValueType(.anyOf([.choice(["auto"]), .size])) { node, keyPath, context in
            if node.content == .scalar("auto", plain: true) { return .auto }
            return ValueType<ByteCount>.size.read(node, keyPath, &context).map { .bytes($0) }
        }
    }
}

extension ValueType where Value == StdioRule.OnRestore {
    static var stdioTarget: ValueType {
        ValueType(.anyOf([.choice(["inherit", "null"]), .text(pattern: "^file:/")])) {
            node, keyPath, context in
            guard let (text, _) = context.scalar(node, keyPath, expected: "inherit, null or file:PATH") else {
                return nil
            }
            if text == "inherit" { return .inherit }
            if text == "null" { return .null }
            guard text.hasPrefix("file:/"), !text.utf8.contains(0) else {
                return context.reject(node) { .notAStdioTarget(keyPath, node.flowText, $0) }
            }
            return .file(String(text.dropFirst(5)))
        }
    }
}

extension ValueType where Value == ExternalMounts {
    static var externalMounts: ValueType {
        let path = ValueType<String>.path
        return ValueType(.anyOf([.choice(["auto"]), .map(path.shape)])) { node, keyPath, context in
            if node.content == .scalar("auto", plain: true) { return .auto }
            guard case .mapping(let entries) = node.content else {
                return context.reject(node) {
                    .wrongType(
                        keyPath, expected: "auto, or a mapping of mount points to sources",
                        found: node.flowText, $0)
                }
            }
            var mounts: [ExternalMount] = []
            for entry in entries {
                let entryPath = "\(keyPath).\(entry.name)"
                context.record(entryPath, entry.value)
                guard entry.name.hasPrefix("/") else {
                    context.diagnostics.append(
                        .relativeMountPoint(keyPath, entry.name, context.source.location(entry.place)))
                    continue
                }
                if let source = path.read(entry.value, entryPath, &context) {
                    mounts.append(ExternalMount(mountPoint: entry.name, source: source))
                }
            }
            return mounts.isEmpty ? ExternalMounts.none : .map(mounts)
        }
    }
}

extension ValueType where Value == InheritedFD {
    static var inheritedFD: ValueType {
        ValueType(.text(pattern: "^fd\\[[0-9]+\\]:.+$")) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "text") else { return nil }
            if let match = text.wholeMatch(of: /fd\[(\d{1,7})\]:(.+)/), let fd = Int32(match.1) {
                return InheritedFD(fd: fd, resource: String(match.2))
            }
            return context.reject(node) { .notAnInheritedFD(keyPath, node.flowText, $0) }
        }
    }
}

extension ValueType where Value == String {
    /// One of CRIU's spellings of --external.
    static var external: ValueType {
        ValueType(ValueType.text.shape) { node, keyPath, context in
            guard let text = ValueType.text.read(node, keyPath, &context) else { return nil }
            guard let why = ExternalResource.refusal(text) else { return text }
            return context.reject(node) { .notAnExternal(keyPath, node.flowText, why, $0) }
        }
    }
}
