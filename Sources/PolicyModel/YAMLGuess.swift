/// What YAML 1.1 readers take a plain scalar for, when not for text (yaml.org/type).
enum YAMLGuess {
    /// Nil for text.
    static func of(_ text: String) -> String? {
        if let word = words[text] { return word }
        guard let first = text.utf8.first, text.utf8.count <= 64 else { return nil }
        guard isDigit(first) || first == plus || first == minus || first == dot else { return nil }
        if text.wholeMatch(of: /\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?/) != nil { return "a date" }
        if text.wholeMatch(of: /[-+]?\d+(:[0-5]?\d)+(\.\d*)?/) != nil { return "a number to base 60" }
        if text.wholeMatch(of: /[-+]?0[0-9_]+/) != nil { return "an octal number" }
        if text.wholeMatch(of: /[-+]?(\d[\d_]*|0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7_]+)/) != nil {
            return "a number"
        }
        if text.wholeMatch(of: /[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?/) != nil {
            return "a number"
        }
        return text.wholeMatch(of: /[-+]?\.(inf|Inf|INF|nan|NaN|NAN)/) != nil ? "a number" : nil
    }

    private static let words: [String: String] = {
        var words: [String: String] = ["~": "null", "null": "null", "Null": "null", "NULL": "null"]
        for word in ["y", "yes", "n", "no", "true", "false", "on", "off"] {
            for form in [word, word.uppercased(), word.prefix(1).uppercased() + word.dropFirst()] {
                words[form] = "a boolean"
            }
        }
        words["="] = "a default value"
        return words
    }()

    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    private static let plus = UInt8(ascii: "+")
    private static let minus = UInt8(ascii: "-")
    private static let dot = UInt8(ascii: ".")
}
