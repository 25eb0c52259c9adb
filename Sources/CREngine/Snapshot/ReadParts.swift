import Dispatch
import Synchronization

/// The threads or descriptors of one process, read in parts of which several are read at once where there are many.
final class ReadParts<Part: Sendable>: Sendable {
    private let numbers: [ArraySlice<Int32>]
    private let results: Mutex<[Int: Result<Part, TaskReadError>]> = Mutex([:])

    /// `share` numbers are worth a reader of their own.
    init(_ numbers: [Int32], share: Int) {
        let count = min(max(numbers.count / share, 1), ReadAhead.width)
        let size = max((numbers.count + count - 1) / count, 1)
        self.numbers = stride(from: 0, to: numbers.count, by: size).map {
            numbers[$0..<min($0 + size, numbers.count)]
        }
    }

    /// What was read, in the order of the numbers.
    func read(
        _ body: @Sendable (ArraySlice<Int32>) throws(TaskReadError) -> Part
    ) throws(TaskReadError) -> [Part] {
        DispatchQueue.concurrentPerform(iterations: numbers.count) { place in
            let result: Result<Part, TaskReadError>
            do throws(TaskReadError) {
                result = .success(try body(numbers[place]))
            } catch {
                result = .failure(error)
            }
            results.withLock { $0[place] = result }
        }
        let read = results.withLock { $0 }
        var parts: [Part] = []
        for place in numbers.indices {
            if let result = read[place] { parts.append(try result.get()) }
        }
        return parts
    }
}
