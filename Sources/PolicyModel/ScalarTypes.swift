/// The types of single values.
extension ValueType where Value == Bool {
    static var boolean: ValueType {
        ValueType(.boolean) { node, keyPath, context in
            guard let (text, plain) = context.scalar(node, keyPath, expected: "true or false") else {
                return nil
            }
            if plain, text == "true" || text == "false" { return text == "true" }
            return context.reject(node) { .notABoolean(keyPath, node.flowText, $0) }
        }
    }
}

extension ValueType where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> ValueType {
        ValueType(.integer(range)) { node, keyPath, context in
            guard let (text, plain) = context.scalar(node, keyPath, expected: "a number") else { return nil }
            let negative = text.hasPrefix("-")
            guard plain, let number = Units.number(text.dropFirst(negative ? 1 : 0).utf8) else {
                return context.reject(node) { .notANumber(keyPath, node.flowText, $0) }
            }
            let value = Int(negative ? -number : number)
            guard range.contains(value), number != Int64.max else {
                return context.reject(node) { .outOfRange(keyPath, text, range, $0) }
            }
            return value
        }
    }

    static var version: ValueType {
        ValueType(.integer(1...1)) { node, keyPath, context in
            guard let (text, plain) = context.scalar(node, keyPath, expected: "a number") else { return nil }
            guard plain, text == "1" else { return context.reject(node) { .otherVersion(node.flowText, $0) } }
            return 1
        }
    }
}

extension ValueType where Value == String {
    /// Any text that is not empty.
    static var text: ValueType { text(pattern: nil) }

    static var freeText: ValueType {
        ValueType(.text(pattern: nil)) { node, keyPath, context in
            context.text(node, keyPath, expected: "text")
        }
    }

    private static func text(pattern: String?) -> ValueType {
        ValueType(.text(pattern: pattern)) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "text") else { return nil }
            if text.isEmpty { return context.reject(node) { .emptyText(keyPath, $0) } }
            return text
        }
    }

    static var policyName: ValueType {
        ValueType(.text(pattern: "^[a-z0-9][a-z0-9-]{0,62}$")) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "text") else { return nil }
            let isName =
                (1...63).contains(text.utf8.count) && !text.hasPrefix("-")
                && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
            guard isName else { return context.reject(node) { .notAPolicyName(node.flowText, $0) } }
            return text
        }
    }

    static var path: ValueType {
        ValueType(.text(pattern: "^/")) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "an absolute path") else { return nil }
            guard text.hasPrefix("/") else {
                return context.reject(node) { .notAbsolute(keyPath, node.flowText, $0) }
            }
            if text.split(separator: "/").contains("..") {
                return context.reject(node) { .pathWithDots(keyPath, node.flowText, $0) }
            }
            return text
        }
    }

    static var timeZone: ValueType {
        ValueType(.text(pattern: nil)) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "text") else { return nil }
            guard context.isTimeZone(text) else {
                return context.reject(node) { .unknownTimeZone(keyPath, node.flowText, $0) }
            }
            return text
        }
    }
}

extension ValueType where Value == Duration {
    /// `least` is as a policy writes it.
    static func duration(least: String = "0") -> ValueType {
        ValueType(.duration) { node, keyPath, context in
            guard let (text, _) = context.scalar(node, keyPath, expected: "a duration") else { return nil }
            guard let value = DurationUnit.parse(text) else {
                return context.reject(node) { .notADuration(keyPath, node.flowText, $0) }
            }
            if value < DurationUnit.parse(least) ?? 0 {
                return context.reject(node) { .durationOutOfRange(keyPath, text, least: least, $0) }
            }
            guard value <= DurationUnit.maximum else {
                return context.reject(node) { .durationOutOfRange(keyPath, text, least: nil, $0) }
            }
            return .milliseconds(value)
        }
    }
}

extension ValueType where Value == ByteCount {
    static var size: ValueType {
        ValueType(.size) { node, keyPath, context in
            guard let (text, _) = context.scalar(node, keyPath, expected: "a size") else { return nil }
            guard let value = SizeUnit.parse(text) else {
                return context.reject(node) { .notASize(keyPath, node.flowText, $0) }
            }
            guard value <= 8_388_607 << 30 else {
                return context.reject(node) { .sizeTooLarge(keyPath, text, $0) }
            }
            return ByteCount(UInt64(value))
        }
    }
}

extension ValueType where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of the words of an enumeration. `null` is a word like any other here.
    static var choice: ValueType {
        let words = Value.allCases.map(\.rawValue)
        return ValueType(.choice(words)) { node, keyPath, context in
            guard
                let (text, _) = context.scalar(
                    node, keyPath, expected: Diagnostic.alternatives(words))
            else { return nil }
            guard let value = Value(rawValue: text) else {
                return context.reject(node) { .notAChoice(keyPath, node.flowText, words, $0) }
            }
            return value
        }
    }

    /// A choice of which some alternatives have no effect yet.
    static func choice(later: [Value]) -> ValueType {
        var type = choice
        type.unsupported = { value, keyPath in later.contains(value) ? [keyPath] : [] }
        return type
    }
}

extension ValueType where Value == Glob {
    /// On names.
    static var glob: ValueType { glob(absolute: false) }
    /// On absolute paths.
    static var pathGlob: ValueType { glob(absolute: true) }

    private static func glob(absolute: Bool) -> ValueType {
        ValueType(.text(pattern: absolute ? "^(/|\\*\\*)" : nil)) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "a glob") else { return nil }
            if text.isEmpty { return context.reject(node) { .emptyText(keyPath, $0) } }
            if text.utf8.count > Glob.maximumLength {
                return context.reject(node) { .globTooLong(keyPath, $0) }
            }
            guard let glob = Glob(text) else {
                return context.reject(node) { .brokenGlob(keyPath, node.flowText, $0) }
            }
            if absolute, !text.hasPrefix("/"), !text.hasPrefix("**") {
                return context.reject(node) { .relativeGlob(keyPath, text, $0) }
            }
            return glob
        }
    }
}

extension ValueType where Value == RegexPattern {
    static var regex: ValueType {
        ValueType(.text(pattern: nil)) { node, keyPath, context in
            guard let text = context.text(node, keyPath, expected: "a regular expression") else { return nil }
            if text.isEmpty { return context.reject(node) { .emptyText(keyPath, $0) } }
            guard RegexPattern.isModest(text) else {
                return context.reject(node) { .regexTooLarge(keyPath, $0) }
            }
            context.regexBytes += text.utf8.count
            guard context.regexBytes <= RegexPattern.maximumBytesOfFile else {
                return context.reject(node) { .tooManyRegexes(keyPath, $0) }
            }
            if let fault = RegexPattern.fault(text) {
                return context.reject(node) { .brokenRegex(keyPath, fault, $0) }
            }
            return RegexPattern(text)
        }
    }
}

extension ValueType where Value == Int32 {
    /// A process or session number; the kernel's limit is 2^22 (include/linux/threads.h).
    static var processID: ValueType { ValueType<Int>.integer(1...4_194_304).map { Int32($0) } }
}
