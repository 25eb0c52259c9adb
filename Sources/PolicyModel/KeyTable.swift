/// One key of a section: its name, its place in the typed policy, how it is read, and what is to be said of it.
struct Key<Root: Sendable>: Sendable {
    let description: KeyDescription
    let read: @Sendable (YAMLNode, String, inout Root, inout DecodingContext) -> Void
    /// Key paths of what the first value sets and this build has no effect for; the second is all defaults.
    let unsupported: @Sendable (Root, Root, String) -> [String]

    /// A key that has effect as soon as this build reads it, unless `later`.
    init<Value>(
        _ name: String, _ member: any WritableKeyPath<Root, Value> & Sendable, _ type: ValueType<Value>,
        _ summary: String, default defaultText: String? = nil, required: Bool = false, later: Bool = false
    ) {
        description = KeyDescription(
            name: name, summary: summary, shape: type.shape, isRequired: required, defaultText: defaultText)
        read = { node, keyPath, root, context in
            if let value = type.read(node, keyPath, &context) { root[keyPath: member] = value }
        }
        unsupported = { root, blank, keyPath in
            let value = root[keyPath: member]
            if value == blank[keyPath: member] { return [] }
            return later ? [keyPath] : type.unsupported(value, keyPath)
        }
    }

    /// A key that may be missing.
    init<Value>(
        _ name: String, optional member: any WritableKeyPath<Root, Value?> & Sendable,
        _ type: ValueType<Value>,
        _ summary: String, required: Bool = false, later: Bool = false
    ) {
        var optional: ValueType<Value?> = type.map { $0 }
        optional.unsupported = { value, keyPath in value.map { type.unsupported($0, keyPath) } ?? [] }
        self.init(name, member, optional, summary, required: required, later: later)
    }
}

/// All keys of a section: what the decoder, the schema and the list of keys without effect are made from.
struct KeyTable<Root: Sendable & Equatable>: Sendable {
    /// What the section is called in messages: "a policy", "'dump'".
    let title: String
    /// All defaults.
    let blank: Root
    let keys: [Key<Root>]

    init(_ title: String, _ blank: Root, @KeyList<Root> _ keys: () -> [Key<Root>]) {
        self.title = title
        self.blank = blank
        self.keys = keys()
    }

    var descriptions: [KeyDescription] { keys.map(\.description) }

    /// A value of this section. All that is wrong with its keys is told; what is right is still read. `check` sees
    /// defaults in place of values that could not be read.
    func type(
        check: @escaping @Sendable (Root, YAMLNode, String, inout DecodingContext) -> Void = { _, _, _, _ in }
    ) -> ValueType<Root> {
        var type = ValueType<Root>(.section(descriptions)) { node, keyPath, context in
            guard case .mapping(let entries) = node.content else {
                return context.reject(node) {
                    .wrongType(keyPath, expected: "a mapping of keys", found: node.kindName, $0)
                }
            }
            var root = blank
            for entry in entries { read(entry, keyPath, &root, &context) }
            for name in keys.filter(\.description.isRequired).map(\.description.name) {
                let isMeant = { (entry: YAMLEntry) in
                    entry.name == name || Nearest.word(to: entry.name, in: descriptions.map(\.name)) == name
                }
                if !entries.contains(where: isMeant) {
                    context.diagnostics.append(
                        .missingKey(name, in: title, context.source.location(node.place)))
                }
            }
            check(root, node, keyPath, &context)
            return root
        }
        type.unsupported = { root, keyPath in unsupported(root, keyPath) }
        return type
    }

    /// Key paths of what is set to something else than its default and has no effect in this build.
    func unsupported(_ root: Root, _ keyPath: String) -> [String] {
        keys.flatMap { $0.unsupported(root, blank, join(keyPath, $0.description.name)) }
    }

    private func read(
        _ entry: YAMLEntry, _ keyPath: String, _ root: inout Root, _ context: inout DecodingContext
    ) {
        let place = context.source.location(entry.place)
        guard let key = keys.first(where: { $0.description.name == entry.name }) else {
            let nearest = Nearest.key(to: entry.name, in: descriptions.map(\.name))
            context.diagnostics.append(
                .unknownKey(entry.name, in: title, nearest: nearest, known: descriptions.map(\.name), place))
            return
        }
        guard !entry.value.isEmpty else {
            context.diagnostics.append(.noValue(join(keyPath, entry.name), place))
            return
        }
        let path = join(keyPath, entry.name)
        context.record(path, entry.value)
        key.read(entry.value, path, &root, &context)
    }

    private func join(_ keyPath: String, _ name: String) -> String {
        keyPath.isEmpty ? name : "\(keyPath).\(name)"
    }
}

/// Lets a table name its keys one a line, each checked for itself by the compiler.
@resultBuilder
enum KeyList<Root: Sendable> {
    static func buildExpression(_ key: Key<Root>) -> Key<Root> { key }
    static func buildBlock(_ keys: Key<Root>...) -> [Key<Root>] { keys }
}
