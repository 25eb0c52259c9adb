import Glibc

/// Numbered places at which a test build hurts itself, so that a test can see what becomes of the tree then.
///
/// A debug build counts each pass. When the count reaches the number in the environment variable it stops itself
/// (`12`: SIGSTOP, to be killed or continued by the test), traps (`trap@12`), or makes an invalid access (`segv@12`).
/// The names of the places that were passed are added to the file in CRPLAN_LIST_POINTS, each once. In a release build `pass` is empty.
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
        /// A tree counts as outrunning us before the first look (`CRPLAN_OUTRUN` is set).
        package let isOutrun: Bool
        private let listing: String?
        private var listed: Set<String> = []

        package init(variable: String = "CRPLAN_STOP_AT") {
            let words = getenv(variable).map { String(cString: $0).split(separator: "@") } ?? []
            action = words.count > 1 ? Action(rawValue: String(words[0])) ?? .stop : .stop
            actAt = words.last.flatMap { Int($0) } ?? 0
            actAtPlace = words.last.flatMap { $0.hasPrefix("=") ? String($0.dropFirst()) : nil }
            breaksStub = getenv("CRPLAN_BREAK_STUB") != nil
            isOutrun = getenv("CRPLAN_OUTRUN") != nil
            listing = getenv("CRPLAN_LIST_POINTS").map { String(cString: $0) }
        }

        /// Marks one step; `place` names it for whoever debugs.
        package func pass(_ place: StaticString) {
            passed += 1
            if let listing, listed.insert(place.description).inserted {
                Self.add(place.description, to: listing)
            }
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

        private static func add(_ name: String, to path: String) {
            do throws(Errno) {
                let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
                try file.writeAll(Array("\(name)\n".utf8))
            } catch {
                fatalError("\(path): \(error)")
            }
        }
    #else
        package var passed: Int { 0 }
        package var breaksStub: Bool { false }
        package var isOutrun: Bool { false }
        package init(variable: String = "") {}
        @inline(__always)
        package func pass(_ place: StaticString) {}
    #endif
}
