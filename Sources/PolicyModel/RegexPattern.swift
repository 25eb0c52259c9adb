internal import Dispatch
internal import Synchronization

/// A regular expression of Swift's dialect, as text; it is searched for anywhere in a line.
package struct RegexPattern: Sendable, Equatable, Codable, CustomStringConvertible {
    /// What became of a search.
    package enum Outcome: Sendable, Equatable {
        case matched
        case notMatched
        /// The search took longer than it may: the pattern backtracks too much on this subject.
        case timedOut
        /// The pattern is not a regular expression; one that a policy file holds always is.
        case broken
    }

    /// Characters that a pattern may have.
    static let maximumLength = 1024
    /// Bytes of all patterns of one file: to compile one takes a thousand times as long as to read it.
    static let maximumBytesOfFile = 32 << 10
    /// Levels to which its groups and sets may nest.
    static let maximumNesting = 32

    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package var description: String { text }

    /// Searches each subject, on a thread of its own: a search that outlives its time is left to itself, and so are
    /// the subjects behind it.
    ///
    /// Swift's engine backtracks and cannot be stopped, so a hopeless pattern costs one spinning thread until the
    /// program ends, and never the program's progress.
    package func search(_ subjects: [String], timeLimit: Duration = .seconds(1)) -> [Outcome] {
        guard RegexPattern.isModest(text) else { return subjects.map { _ in .broken } }
        let results = Results(Mutex([]))
        let done = DispatchSemaphore(value: 0)
        let text = text
        DispatchQueue.global(qos: .userInitiated).async {
            let regex = try? Regex(text)
            for subject in subjects {
                let outcome = regex.map { subject.firstMatch(of: $0) == nil ? Outcome.notMatched : .matched }
                results.outcomes.withLock { $0.append(outcome ?? .broken) }
            }
            done.signal()
        }
        let nanoseconds = timeLimit / .nanoseconds(1)
        _ = done.wait(timeout: .now() + .nanoseconds(Int(min(max(nanoseconds, 0), 1e18))))
        let outcomes = results.outcomes.withLock { $0 }
        return outcomes + subjects.dropFirst(outcomes.count).map { _ in .timedOut }
    }

    /// Searches one subject.
    package func search(_ subject: String, timeLimit: Duration = .seconds(1)) -> Outcome {
        search([subject], timeLimit: timeLimit).first ?? .notMatched
    }

    /// What is wrong with a pattern; nil if nothing is.
    static func fault(_ text: String) -> String? {
        do {
            _ = try Regex(text)
            return nil
        } catch {
            return String(describing: error)
        }
    }

    /// Whether a pattern is small enough for the engine's recursive parser.
    static func isModest(_ text: String) -> Bool {
        guard text.utf8.count <= maximumLength else { return false }
        var depth = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") { depth += 1 }
            if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") { depth = max(0, depth - 1) }
            if depth > maximumNesting { return false }
        }
        return true
    }

    private final class Results: Sendable {
        let outcomes: Mutex<[Outcome]>

        init(_ outcomes: consuming sending Mutex<[Outcome]>) {
            self.outcomes = outcomes
        }
    }
}
