internal import Glibc

/// One policy file as it was read.
package struct PolicyFile: Sendable {
    /// As the operator named it; diagnostics begin with it.
    package let name: String
    package let bytes: [UInt8]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// Makes policies out of files.
package struct PolicyLoader: Sendable {
    /// A larger file is refused.
    package static let maximumFileSize = 1 << 20

    private let isTimeZone: @Sendable (String) -> Bool

    /// `isTimeZone` says whether a name is in the time zone database; by default the host's.
    package init(isTimeZone: @escaping @Sendable (String) -> Bool = PolicyLoader.hostHasTimeZone) {
        self.isTimeZone = isTimeZone
    }

    /// The policies of all files in order, or everything that is wrong with any of them.
    package func load(_ files: [PolicyFile]) throws(PolicyError) -> [Policy] {
        var policies: [Policy] = []
        var diagnostics: [Diagnostic] = []
        var untold = 0
        var names: [String: SourceMark] = [:]
        for file in files {
            var result = decode(file)
            for (policy, location) in result.named {
                if let first = names[policy] {
                    result.diagnostics.append(.duplicateName(policy, first: first, location))
                } else {
                    names[policy] = location.mark
                }
            }
            diagnostics += result.diagnostics.told
            untold += result.diagnostics.untold
            policies += result.policies
        }
        if !diagnostics.isEmpty { throw PolicyError(diagnostics: diagnostics, untold: untold) }
        return policies
    }

    private struct Decoded {
        var policies: [Policy] = []
        /// Names that could be read, with their places.
        var named: [(String, Diagnostic.Location)] = []
        var diagnostics = DiagnosticList()
        /// Of the regular expressions of all documents.
        var regexBytes = 0
    }

    private func decode(_ file: PolicyFile) -> Decoded {
        var result = Decoded()
        guard file.bytes.count <= PolicyLoader.maximumFileSize else {
            result.diagnostics.append(
                .fileTooLarge(file: file.name, limit: PolicyLoader.maximumFileSize))
            return result
        }
        guard String(validating: file.bytes, as: UTF8.self) != nil else {
            result.diagnostics.append(PolicyLoader.encodingFault(file))
            return result
        }
        let source = SourceText(name: file.name, bytes: file.bytes)
        let composed = YAMLComposer.compose(source, bytes: file.bytes)
        result.diagnostics = composed.diagnostics
        if composed.documents.isEmpty, composed.diagnostics.isEmpty {
            result.diagnostics.append(.noPolicy(file: file.name))
        }
        for document in composed.documents { decode(document, source, into: &result) }
        result.diagnostics.sort()
        return result
    }

    private func decode(_ document: YAMLNode, _ source: SourceText, into result: inout Decoded) {
        if document.isEmpty {
            result.diagnostics.append(.emptyDocument(source.location(document.place)))
            return
        }
        var context = DecodingContext(source: source, isTimeZone: isTimeZone)
        context.diagnostics = result.diagnostics
        context.regexBytes = result.regexBytes
        let type = PolicyKeys.policy.type(check: PolicyRules.check)
        if var policy = type.read(document, "", &context) {
            policy.source = PolicySource(file: source.name, entries: context.entries)
            result.policies.append(policy)
            if !policy.name.isEmpty, let mark = policy.mark("name") {
                let place = YAMLPlace(line: mark.line, column: mark.column, length: policy.name.utf8.count)
                result.named.append((policy.name, source.location(place)))
            }
        }
        result.diagnostics = context.diagnostics
        result.regexBytes = context.regexBytes
    }

    /// Points at the first byte that is not UTF-8.
    private static func encodingFault(_ file: PolicyFile) -> Diagnostic {
        let repaired = String(decoding: file.bytes, as: UTF8.self)
        let common = zip(repaired.utf8, file.bytes).prefix { $0 == $1 }.count
        return .notUTF8(SourceText(name: file.name, bytes: Array(repaired.utf8)).location(atByte: common))
    }

    /// Whether the host's time zone database has a zone of this name. tzfile(5).
    package static func hostHasTimeZone(_ name: String) -> Bool {
        let isName = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "/_+-".utf8.contains(byte)
        }
        guard isName, !name.isEmpty, !name.hasPrefix("/") else { return false }
        var status = stat()
        guard stat("/usr/share/zoneinfo/" + name, &status) == 0 else { return name == "UTC" }
        return status.st_mode & S_IFMT == S_IFREG
    }
}
