/// What a value may look like: the part of a key that a schema can say.
package indirect enum ValueShape: Sendable, Equatable {
    case boolean
    /// Free text; the pattern is an anchored regular expression of JSON Schema's dialect.
    case text(pattern: String?)
    case integer(ClosedRange<Int>)
    /// `500ms`, `30s`, `10m`, `6h`, `7d`, or 0.
    case duration
    /// `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB`, or 0.
    case size
    case choice([String])
    case list(ValueShape)
    case anyOf([ValueShape])
    /// Keys of the operator's choice.
    case map(ValueShape)
    case section([KeyDescription])
}

/// A key for people and for the schema.
package struct KeyDescription: Sendable, Equatable {
    package let name: String
    package let summary: String
    package let shape: ValueShape
    package let isRequired: Bool
    /// As a policy writes it; nil where a missing key means none.
    package let defaultText: String?
}

/// How values of one type are read.
struct ValueType<Value: Sendable & Equatable>: Sendable {
    let shape: ValueShape
    /// Nil after a diagnostic. The key path names the value in messages.
    let read: @Sendable (_ node: YAMLNode, _ keyPath: String, _ context: inout DecodingContext) -> Value?
    /// Key paths of parts of a value that have no effect yet.
    var unsupported: @Sendable (_ value: Value, _ keyPath: String) -> [String] = { _, _ in [] }

    init(
        _ shape: ValueShape,
        read: @escaping @Sendable (YAMLNode, String, inout DecodingContext) -> Value?
    ) {
        self.shape = shape
        self.read = read
    }

    /// The same values turned into another type.
    func map<Other>(_ transform: @escaping @Sendable (Value) -> Other) -> ValueType<Other> {
        ValueType<Other>(shape) { node, keyPath, context in
            read(node, keyPath, &context).map(transform)
        }
    }
}

/// What reading one file gathers.
struct DecodingContext {
    let source: SourceText
    /// Whether a name is in the time zone database.
    let isTimeZone: @Sendable (String) -> Bool
    var diagnostics = DiagnosticList()
    /// Of the regular expressions so far.
    var regexBytes = 0
    var entries: [String: PolicySource.Entry] = [:]

    /// Takes note of a diagnostic; nil, to be returned as "no value".
    mutating func reject<Value>(_ node: YAMLNode, _ make: (Diagnostic.Location) -> Diagnostic) -> Value? {
        diagnostics.append(make(source.location(node.place)))
        return nil
    }

    /// Takes note of where a value was written.
    mutating func record(_ keyPath: String, _ node: YAMLNode) {
        entries[keyPath] = PolicySource.Entry(
            mark: SourceMark(file: source.name, line: node.place.line, column: node.place.column),
            text: node.wholeText)
    }

    /// The scalar at a node, or a diagnostic.
    mutating func scalar(
        _ node: YAMLNode, _ keyPath: String, expected: String
    ) -> (text: String, plain: Bool)? {
        guard case .scalar(let text, let plain) = node.content, !node.isEmpty else {
            return reject(node) { .wrongType(keyPath, expected: expected, found: node.kindName, $0) }
        }
        return (text, plain)
    }

    /// The scalar at a node where text is meant, or a diagnostic: a plain value that YAML 1.1 takes for something else
    /// must be quoted.
    mutating func text(_ node: YAMLNode, _ keyPath: String, expected: String) -> String? {
        guard let (text, plain) = scalar(node, keyPath, expected: expected) else { return nil }
        if plain, let guess = YAMLGuess.of(text) {
            return reject(node) { .guessedType(keyPath, text, guess: guess, $0) }
        }
        if text.utf8.contains(0) { return reject(node) { .zeroByte(keyPath, $0) } }
        return text
    }
}
