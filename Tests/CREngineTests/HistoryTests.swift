import FoundationEssentials
import Glibc
import Testing

@testable import CREngine

@Suite struct HistoryTests {
    let temporary: TemporaryStore
    let history: History

    init() throws {
        temporary = try TemporaryStore()
        history = History(store: temporary.store, policy: "nightly")
    }

    private var path: String { temporary.store.path + "/nightly/history.jsonl" }

    private func event(_ kind: HistoryEvent.Kind, _ second: Double, run: String = "a") -> HistoryEvent {
        HistoryEvent(kind, at: Date(timeIntervalSince1970: 1_795_000_000 + second), run: run)
    }

    private func add(_ text: String) throws {
        let file = try OwnedFD.open(path, O_WRONLY | O_APPEND)
        try file.writeAll(Array(text.utf8))
    }

    @Test func `what was appended is read in order, and the files are the owner's`() throws {
        #expect(try history.read() == .init())
        #expect(try history.last { _ in true } == nil)
        var finished = event(.finished, 3)
        finished.outcome = "done"
        finished.error = "a line\nbreak and \"quotes\""
        try history.append([event(.started, 0), event(.target, 2)])
        try history.append([finished])
        #expect(try history.read() == .init(events: [event(.started, 0), event(.target, 2), finished]))
        #expect(try history.last { $0.event == .started } == event(.started, 0))
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(stat(temporary.store.path + "/nightly", &status) == 0 && status.st_mode & 0o777 == 0o700)
    }

    @Test func `a line that was cut off costs that line, is told, and the next one is whole`() throws {
        try history.append([event(.started, 0)])
        try add("{\"at\":\"2026-11-2")
        #expect(try history.read().events == [event(.started, 0)])
        #expect(try history.last { _ in true } == event(.started, 0))
        try history.append([event(.finished, 1)])
        let contents = try history.read()
        #expect(contents.events == [event(.started, 0), event(.finished, 1)])
        #expect(
            contents.damage == ["\(path):2: is no event; it was cut off by a crash, or changed"])
    }

    @Test func `an event of a kind to come is kept`() throws {
        try history.append([event(.started, 0)])
        try add(#"{"at":"2026-11-24T00:00:00Z","event":"moved","to":"elsewhere"}"# + "\n")
        #expect(try history.read().events.map(\.event.rawValue) == ["started", "moved"])
    }

    @Test func `it is bounded, and the newest events are never lost`() throws {
        let small = History(store: temporary.store, policy: "nightly", limit: 2000)
        for second in 0..<200 { try small.append([event(.started, Double(second))]) }
        let events = try small.read().events
        #expect(events.last == event(.started, 199))
        #expect(events.count > 20 && events.count < 100)
        #expect(zip(events, events.dropFirst()).allSatisfy { $1.at.timeIntervalSince($0.at) == 1 })
        for name in ["history.jsonl", "history.1.jsonl"] {
            var status = stat()
            #expect(stat(temporary.store.path + "/nightly/" + name, &status) == 0)
            #expect(status.st_size < 2200)
        }
    }

    @Test func `writers at once lose and tear nothing, whoever turns the files`() async throws {
        let store = temporary.store
        let small = History(store: store, policy: "nightly", limit: 40000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    for second in 0..<100 {
                        var event = HistoryEvent(
                            .target, at: Date(timeIntervalSince1970: Double(second)), run: "\(writer)")
                        event.error = String(repeating: "x", count: writer * 3)
                        try History(store: store, policy: "nightly", limit: 40000).append([event])
                    }
                }
            }
            try await group.waitForAll()
        }
        let contents = try small.read()
        #expect(contents.damage == [])
        // 800 events of about 90 bytes turn the files once, and nothing of them is gone.
        #expect(contents.events.count == 800)
        for writer in 0..<8 {
            let own = contents.events.filter { $0.run == "\(writer)" }.map(\.at.timeIntervalSince1970)
            #expect(own == (0..<100).map(Double.init))
        }
    }
}
