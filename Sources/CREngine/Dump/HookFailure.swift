/// A program of the operator, a hook or an action script, that failed or asked to be left alone for now.
package struct HookFailure: Error, Equatable, Sendable {
    /// What follows from it.
    package enum Effect: Equatable, Sendable {
        /// This target fails, and no further one is begun.
        case abortRun
        /// This target fails.
        case fail
        /// This target is left out; it runs on.
        case skip
        /// The same, and the program asked for it: exit 75.
        case notNow
    }
    /// `hook "quiesce" at frozen`, `action script /opt/notify at post-dump`
    package let subject: String
    /// `ended with exit 3`
    package let fact: String
    package let effect: Effect
    /// Of the program; 1 where it did not exit by itself.
    package let exitCode: Int32

    package init(subject: String, fact: String, effect: Effect, exitCode: Int32 = 1) {
        self.subject = subject
        self.fact = fact
        self.effect = effect
        self.exitCode = exitCode
    }
}

extension HookFailure: CustomStringConvertible {
    package var description: String {
        switch effect {
        case .abortRun, .fail: "\(subject) \(fact)"
        case .skip: "\(subject) \(fact), and its on-error is skip"
        case .notNow: "\(subject) said \"not now\" (exit 75)"
        }
    }
}
