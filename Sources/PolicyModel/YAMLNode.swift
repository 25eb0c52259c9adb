/// A place in one YAML text.
struct YAMLPlace: Sendable, Equatable {
    /// Counted from 1.
    var line: Int
    /// Counted from 1, in characters.
    var column: Int
    /// Characters of the first line that belong to it, at least 1.
    var length = 1
}

/// One value of a YAML document with the place where it was written; aliases and merges are resolved.
struct YAMLNode: Sendable, Equatable {
    enum Content: Sendable, Equatable {
        /// `plain` is true for a scalar without quotes that is not a block scalar.
        case scalar(String, plain: Bool)
        case sequence([YAMLNode])
        case mapping([YAMLEntry])
    }
    var content: Content
    var place: YAMLPlace

    /// Nothing was written: `key:` and no more.
    var isEmpty: Bool { content == .scalar("", plain: true) }

    /// What a person would call it.
    var kindName: String {
        switch content {
        case .scalar("", plain: true): "nothing"
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// The value on one line, at most about 80 characters.
    var flowText: String {
        var text = ""
        appendFlowText(to: &text)
        return text.count > 80 ? text.prefix(79) + "…" : text
    }

    /// A single value as it was written, whole; a list or a mapping as `flowText`.
    var wholeText: String {
        guard case .scalar(let value, let plain) = content else { return flowText }
        return plain ? value : YAMLNode.quoted(value)
    }

    private func appendFlowText(to text: inout String) {
        guard text.utf8.count < 400 else { return }
        switch content {
        case .scalar(let value, let plain):
            let start = String(value.unicodeScalars.prefix(400))
            text += plain ? start : YAMLNode.quoted(start)
        case .sequence(let items):
            text += "["
            for (index, item) in items.enumerated() where text.utf8.count < 400 {
                if index > 0 { text += ", " }
                item.appendFlowText(to: &text)
            }
            text += "]"
        case .mapping(let entries):
            text += "{"
            for (index, entry) in entries.enumerated() where text.utf8.count < 400 {
                if index > 0 { text += ", " }
                text += entry.name + ": "
                entry.value.appendFlowText(to: &text)
            }
            text += "}"
        }
    }

    /// A text as a double-quoted scalar.
    static func quoted(_ text: String) -> String { YAMLText.quoted(text) }
}

/// One key of a mapping.
struct YAMLEntry: Sendable, Equatable {
    var name: String
    /// Where the key was written.
    var place: YAMLPlace
    var value: YAMLNode
}
