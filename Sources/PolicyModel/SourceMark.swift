/// A place in a policy file, as a compiler prints it.
package struct SourceMark: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The file as the operator named it.
    package var file: String
    /// Counted from 1.
    package var line: Int
    /// Counted from 1, in characters.
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// `file:line:column`.
    package var description: String { "\(file):\(line):\(column)" }
}

/// Where the values of one policy were written, by key path (`dump.after`, `select[0].exe`, `allow.ext-unix-sk[1]`).
package struct PolicySource: Sendable, Equatable, Codable {
    /// One value as written.
    package struct Entry: Sendable, Equatable, Codable {
        /// Where the value starts.
        package var mark: SourceMark
        /// The value on one line of YAML.
        package var text: String
    }

    /// The file that holds the policy; empty for a policy that was not read from a file.
    package var file: String
    /// Every value that was written. A key that is missing here has its default.
    package var entries: [String: Entry]

    package init(file: String = "", entries: [String: Entry] = [:]) {
        self.file = file
        self.entries = entries
    }
}
