/// The diagnostics of one file: the first hundred, and how many there were besides.
///
/// Thousands of faults have one cause, and nobody reads them all.
struct DiagnosticList: Sendable, Equatable {
    static let limit = 100

    private(set) var told: [Diagnostic] = []
    private(set) var untold = 0

    var isEmpty: Bool { told.isEmpty }

    /// One past the limit is counted and never made.
    mutating func append(_ diagnostic: @autoclosure () -> Diagnostic) {
        if told.count < DiagnosticList.limit {
            told.append(diagnostic())
        } else {
            untold += 1
        }
    }

    /// In the order of the lines; those of one place stay in the order in which they were found.
    mutating func sort() {
        told = told.enumerated().sorted { left, right in
            let (first, second) = (left.element.mark, right.element.mark)
            return (first?.line ?? 0, first?.column ?? 0, left.offset)
                < (second?.line ?? 0, second?.column ?? 0, right.offset)
        }.map(\.element)
    }
}
