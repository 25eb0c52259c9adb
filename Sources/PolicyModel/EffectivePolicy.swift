/// A policy as it takes effect: every key with its value, and where that was written.
package struct EffectivePolicy: Sendable, Equatable {
    /// One key.
    package struct Row: Sendable, Equatable, Codable {
        /// `dump.after`, `select[0].exe`
        package var key: String
        /// As a policy writes it; nil for a key that is not set and has no default.
        package var value: String?
        /// Where the value was written; nil for a default.
        package var mark: SourceMark?
    }

    /// In the order of the language. A list has a row for each of its sections, or one for all of its values. Of the
    /// keys of a list's section those are left out that are not set and have no default: such a key asks for nothing.
    package let rows: [Row]

    package init(_ policy: Policy) {
        var rows: [Row] = []
        EffectivePolicy.add(Policy.keys, "", in: policy.source.entries, isElement: false, to: &rows)
        self.rows = rows
    }

    private typealias Entries = [String: PolicySource.Entry]

    private static func add(
        _ keys: [KeyDescription], _ parent: String, in entries: Entries, isElement: Bool, to rows: inout [Row]
    ) {
        for key in keys {
            let path = parent.isEmpty ? key.name : "\(parent).\(key.name)"
            if let entry = entries[path] {
                add(entry, path, key.shape, in: entries, to: &rows)
            } else if case .section(let inner) = key.shape, !isElement, !inner.contains(where: \.isRequired) {
                add(inner, path, in: entries, isElement: false, to: &rows)
            } else if key.defaultText != nil || !isElement {
                rows.append(Row(key: path, value: key.defaultText, mark: nil))
            }
        }
    }

    private static func add(
        _ entry: PolicySource.Entry, _ path: String, _ shape: ValueShape, in entries: Entries,
        to rows: inout [Row]
    ) {
        if let keys = shape.sectionKeys, entries.keys.contains(where: { $0.hasPrefix(path + ".") }) {
            add(keys, path, in: entries, isElement: path.hasSuffix("]"), to: &rows)
            return
        }
        var elements: [(path: String, entry: PolicySource.Entry)] = []
        while let element = entries["\(path)[\(elements.count)]"] {
            elements.append(("\(path)[\(elements.count)]", element))
        }
        if let keys = shape.elementKeys, !elements.isEmpty {
            for element in elements {
                if entries.keys.contains(where: { $0.hasPrefix(element.path + ".") }) {
                    add(keys, element.path, in: entries, isElement: true, to: &rows)
                } else {
                    rows.append(Row(key: element.path, value: element.entry.text, mark: element.entry.mark))
                }
            }
            return
        }
        if case .map = shape {
            for (key, value) in entries.filter({ $0.key.hasPrefix(path + ".") }).sorted(by: {
                $0.key < $1.key
            }) {
                rows.append(Row(key: key, value: value.text, mark: value.mark))
            }
            return
        }
        let text = elements.isEmpty ? entry.text : "[\(elements.map(\.entry.text).joined(separator: ", "))]"
        rows.append(Row(key: path, value: text, mark: entry.mark))
    }
}

extension ValueShape {
    /// The keys of a section; nil for another shape.
    fileprivate var sectionKeys: [KeyDescription]? {
        switch self {
        case .section(let keys): keys
        default: nil
        }
    }

    /// The keys of the sections of a list; nil where its elements are no sections.
    fileprivate var elementKeys: [KeyDescription]? {
        switch self {
        case .list(let element): element.sectionKeys
        case .anyOf(let shapes): shapes.lazy.compactMap(\.elementKeys).first
        default: nil
        }
    }
}
