import Glibc

/// Numbered places at which a test build hurts itself, so that a test can see what becomes of the tree then.
///
/// A debug build counts each pass. When the count reaches the number in the environment variable it stops itself
/// (`12`: SIGSTOP, to be killed or continued by the test), traps (`trap@12`), or makes an invalid access (`segv@12`).
/// In a release build `pass` is empty.
package final class FaultPoints {
    #if FAULT_POINTS
        private enum Action: String { case stop, trap, segv }

        private let action: Action
        private let actAt: Int
        /// Acts at the first point of this name (`=in repair`), whatever its number.
        private let actAtPlace: String?
        /// How many points were passed so far.
        package private(set) var passed = 0
        /// The stub is to be useless (`CRPLAN_BREAK_STUB` is set), so that a test sees what it is needed for.
        package let breaksStub: Bool

        package init(variable: String = "CRPLAN_STOP_AT") {
            let words = getenv(variable).map { String(cString: $0).split(separator: "@") } ?? []
            action = words.count > 1 ? Action(rawValue: String(words[0])) ?? .stop : .stop
            actAt = words.last.flatMap { Int($0) } ?? 0
            actAtPlace = words.last.flatMap { $0.hasPrefix("=") ? String($0.dropFirst()) : nil }
            breaksStub = getenv("CRPLAN_BREAK_STUB") != nil
        }

        /// Marks one step; `place` names it for whoever debugs.
        package func pass(_ place: StaticString) {
            passed += 1
            if let actAtPlace {
                if place.description != actAtPlace { return }
            } else if passed != actAt {
                return
            }
            switch action {
            case .stop: raise(SIGSTOP)
            case .trap: fatalError("told to trap at: \(place)")
            case .segv: UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 0
            }
        }
    #else
        package var passed: Int { 0 }
        package var breaksStub: Bool { false }
        package init(variable: String = "") {}
        @inline(__always)
        package func pass(_ place: StaticString) {}
    #endif
}
