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
        let written = Written(policy.source.entries)
        EffectivePolicy.add(Policy.keys, "", in: written, isElement: false, to: &rows)
        self.rows = rows
    }

    /// The values of a policy, and below which key paths there are keys.
    private struct Written {
        let entries: [String: PolicySource.Entry]
        /// By the key path that holds them, sorted.
        let below: [String: [String]]

        init(_ entries: [String: PolicySource.Entry]) {
            self.entries = entries
            var below: [String: [String]] = [:]
            for path in entries.keys.sorted() {
                // A name of the operator's choice may hold dots, so each beginning is tried; it stands at the end, and
                // no key of the language is that deep.
                for place in path.indices.lazy.filter({ path[$0] == "." }).prefix(8) {
                    let parent = String(path[..<place])
                    if entries[parent] != nil { below[parent, default: []].append(path) }
                }
            }
            self.below = below
        }

        subscript(_ path: String) -> PolicySource.Entry? { entries[path] }
    }

    private static func add(
        _ keys: [KeyDescription], _ parent: String, in written: Written, isElement: Bool, to rows: inout [Row]
    ) {
        for key in keys {
            let path = parent.isEmpty ? key.name : "\(parent).\(key.name)"
            if let entry = written[path] {
                add(entry, path, key.shape, in: written, to: &rows)
            } else if case .section(let inner) = key.shape, !isElement, !inner.contains(where: \.isRequired) {
                add(inner, path, in: written, isElement: false, to: &rows)
            } else if key.defaultText != nil || !isElement {
                rows.append(Row(key: path, value: key.defaultText, mark: nil))
            }
        }
    }

    private static func add(
        _ entry: PolicySource.Entry, _ path: String, _ shape: ValueShape, in written: Written,
        to rows: inout [Row]
    ) {
        if let keys = shape.sectionKeys, written.below[path] != nil {
            add(keys, path, in: written, isElement: path.hasSuffix("]"), to: &rows)
            return
        }
        var elements: [(path: String, entry: PolicySource.Entry)] = []
        while let element = written["\(path)[\(elements.count)]"] {
            elements.append(("\(path)[\(elements.count)]", element))
        }
        if let keys = shape.elementKeys, !elements.isEmpty {
            for element in elements {
                if written.below[element.path] != nil {
                    add(keys, element.path, in: written, isElement: true, to: &rows)
                } else {
                    rows.append(Row(key: element.path, value: element.entry.text, mark: element.entry.mark))
                }
            }
            return
        }
        if case .map = shape {
            for key in written.below[path] ?? [] {
                rows.append(Row(key: key, value: written[key]?.text, mark: written[key]?.mark))
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
