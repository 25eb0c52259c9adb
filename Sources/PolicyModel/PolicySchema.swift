import FoundationEssentials

/// The JSON Schema of a policy, made from the tables that the decoder reads by.
///
/// It says the form of each value. What several keys must keep together, names that a host must know, and the grammar
/// of globs, regular expressions and cron lines are beyond a schema: `crplan validate` checks those as well.
package enum PolicySchema {
    /// Draft 2020-12, with a newline at the end.
    package static func json() throws -> String {
        var root = schema(.section(Policy.keys))
        root["$schema"] = .text("https://json-schema.org/draft/2020-12/schema")
        root["title"] = .text("crplan policy, version 1")
        root["description"] = .text("One document of a policy file.")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(root), as: UTF8.self) + "\n"
    }

    private static func schema(_ shape: ValueShape) -> [String: JSONValue] {
        switch shape {
        case .boolean: return ["type": .text("boolean")]
        case .text(let pattern):
            return pattern.map { ["type": .text("string"), "pattern": .text($0)] } ?? [
                "type": .text("string")
            ]
        case .integer(let range):
            return [
                "type": .text("integer"), "minimum": .number(range.lowerBound),
                "maximum": .number(range.upperBound),
            ]
        case .duration: return amount("ms|s|m|h|d")
        case .size: return amount("KiB|MiB|GiB|KB|MB|GB")
        case .choice(let words):
            // A YAML reader that knows no policy takes the word for the value.
            let isNull = words.contains("null")
            return ["enum": .list(words.map { .text($0) } + (isNull ? [.null] : []))]
        case .list(let element): return ["type": .text("array"), "items": .object(schema(element))]
        case .anyOf(let shapes): return ["anyOf": .list(shapes.map { .object(schema($0)) })]
        case .map(let element):
            return ["type": .text("object"), "additionalProperties": .object(schema(element))]
        case .section(let keys): return section(keys)
        }
    }

    /// `0`, or a number with its unit.
    private static func amount(_ units: String) -> [String: JSONValue] {
        [
            "anyOf": .list([
                .object(["const": .number(0)]),
                .object([
                    "type": .text("string"), "pattern": .text("^(0|(0|[1-9][0-9]*)(\(units)))$"),
                ]),
            ])
        ]
    }

    private static func section(_ keys: [KeyDescription]) -> [String: JSONValue] {
        var properties: [String: JSONValue] = [:]
        for key in keys {
            var property = schema(key.shape)
            property["description"] = .text(key.summary)
            if let text = key.defaultText { property["default"] = scalar(text) }
            properties[key.name] = .object(property)
        }
        var result: [String: JSONValue] = [
            "type": .text("object"), "additionalProperties": .flag(false),
            "properties": .object(properties),
        ]
        let required = keys.filter(\.isRequired).map(\.name)
        if !required.isEmpty { result["required"] = .list(required.map { .text($0) }) }
        return result
    }

    /// A default as a YAML reader takes it.
    private static func scalar(_ text: String) -> JSONValue {
        if text == "true" || text == "false" { return .flag(text == "true") }
        return Int(text).map { .number($0) } ?? .text(text)
    }
}

/// A value of JSON.
private indirect enum JSONValue: Encodable {
    case null
    case flag(Bool)
    case number(Int)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .flag(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let values): try container.encode(values)
        case .object(let values): try container.encode(values)
        }
    }
}
