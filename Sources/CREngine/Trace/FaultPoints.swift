import Glibc

/// Numbered places at which a test build stops itself, so that a test can kill it exactly there.
///
/// A debug build counts each pass; when the count reaches the number in the environment variable it raises SIGSTOP
/// on itself and goes on at SIGCONT. In a release build `pass` is empty.
package final class FaultPoints {
    #if FAULT_POINTS
        private let stopAt: Int
        /// How many points were passed so far.
        package private(set) var passed = 0

        package init(variable: String = "CRPLAN_STOP_AT") {
            stopAt = getenv(variable).flatMap { Int(String(cString: $0)) } ?? 0
        }

        /// Marks one step; `place` names it for whoever debugs.
        package func pass(_ place: StaticString) {
            passed += 1
            if passed == stopAt { raise(SIGSTOP) }
        }
    #else
        package var passed: Int { 0 }
        package init(variable: String = "") {}
        @inline(__always)
        package func pass(_ place: StaticString) {}
    #endif
}
