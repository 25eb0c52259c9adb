import Dispatch
import Glibc
import Synchronization

/// Readers that go through a tree ahead of who compares its processes, as many as there are CPUs.
///
/// What was asked for and is not begun yet is read by who asks, so nobody waits for a reader that has not started; a
/// small tree has no readers at all.
final class ReadAhead: Sendable {
    private struct Key: Hashable {
        var pid: PID
        var parent: PID?
    }
    /// One process that a reader has begun with.
    private final class Item: Sendable {
        let key: Key
        let result = Mutex<Result<TaskReading, TaskReadError>?>(nil)
        let isThere = DispatchSemaphore(value: 0)
        init(_ key: Key) { self.key = key }
    }
    private struct State {
        /// Not begun; the next one last.
        var pending: [Key] = []
        /// Begun by a reader, and not asked for yet.
        var begun: [Key: Item] = [:]
        var readers = 0
        var isClosed = false
    }

    /// Pending processes that are worth one more reader.
    private static let share = 8
    private let context: TaskReader.Context
    private let own: Mutex<TaskReader>
    /// Readers at once, at most.
    static let width = min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), 4)
    private let state = Mutex(State())

    init(_ context: TaskReader.Context) {
        self.context = context
        own = Mutex(TaskReader(context))
    }

    /// What /proc says of a process, which its children are from now on read ahead for.
    func reading(of pid: PID, expectedParent: PID?) throws(TaskReadError) -> TaskReading {
        let key = Key(pid: pid, parent: expectedParent)
        let begun = state.withLock { state -> Item? in
            if let item = state.begun.removeValue(forKey: key) { return item }
            if let place = state.pending.lastIndex(of: key) { state.pending.remove(at: place) }
            return nil
        }
        if let begun {
            begun.isThere.wait()
            if let result = begun.result.withLock({ $0 }) { return try result.get() }
        }
        return try own.withLock { reader in read(key, &reader) }.get()
    }

    /// Lets readers end with what they are at.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.pending = []
        }
    }

    private func read(_ key: Key, _ reader: inout TaskReader) -> Result<TaskReading, TaskReadError> {
        do throws(TaskReadError) {
            let reading = try reader.read(key.pid, expectedParent: key.parent)
            expect(reading.children.sorted(by: >).map { Key(pid: $0, parent: key.pid) })
            return .success(reading)
        } catch {
            return .failure(error)
        }
    }

    /// Puts processes up for reading, the first one last.
    private func expect(_ keys: [Key]) {
        let wanted = state.withLock { state -> Int in
            if state.isClosed { return 0 }
            state.pending += keys
            let wanted = min(Self.width, state.pending.count / Self.share) - state.readers
            state.readers += max(wanted, 0)
            return wanted
        }
        for _ in 0..<max(wanted, 0) {
            // A queue of its own is a thread of its own.
            DispatchQueue(label: "reader").async { [self] in run() }
        }
    }

    private func run() {
        var reader = TaskReader(context)
        while let item = next() {
            let result = read(item.key, &reader)
            item.result.withLock { $0 = result }
            item.isThere.signal()
        }
    }

    /// Nil where nothing is pending: this reader has ended then.
    private func next() -> Item? {
        state.withLock { state in
            guard let key = state.pending.popLast() else {
                state.readers -= 1
                return nil
            }
            let item = Item(key)
            state.begun[key] = item
            return item
        }
    }
}
