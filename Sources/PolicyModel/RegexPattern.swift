/// A regular expression of Swift's dialect, as text; it is searched for anywhere in a line.
package struct RegexPattern: Sendable, Equatable, Codable, CustomStringConvertible {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package var description: String { text }
}
