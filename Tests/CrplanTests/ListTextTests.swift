import Testing

@testable import crplan

/// `crplan list` on narrow and wide terminals.
@Suite struct ListTextTests {
    private let rows: [ListCommand.Row] = {
        func row(_ id: String) -> ListCommand.Row {
            .init(id: id, path: "/s/" + id, isLatest: false, isPinned: false)
        }
        var old = row("nightly/solver-25ec5465/2026-11-23T07:17:00Z-a41b")
        old.bytes = 2048
        old.processes = 1
        old.isPinned = true
        var new = row("nightly/solver-25ec5465/2026-11-24T07:17:00Z-0b12")
        new.bytes = 6_657_199_309
        new.processes = 12
        new.isLatest = true
        var broken = row("nightly/web-0a0b0c0d/2026-11-24T07:17:00Z-0b13")
        broken.error = "its manifest is gone"
        return [old, new, broken]
    }()

    private func text(_ width: Int) -> String {
        ListText(terminal: Terminal(usesColour: false, width: width)).render(rows)
    }

    @Test func `a line a checkpoint where there is room`() {
        #expect(
            text(160) == """
                nightly/solver-25ec5465/2026-11-23T07:17:00Z-a41b      2 KiB  1 process  pinned
                nightly/solver-25ec5465/2026-11-24T07:17:00Z-0b12    6.2 GiB  12 processes  latest
                nightly/web-0a0b0c0d/2026-11-24T07:17:00Z-0b13     its manifest is gone
                """)
    }

    @Test func `below their targets where there is not`() {
        #expect(
            text(80) == """
                nightly/solver-25ec5465
                  2026-11-23T07:17:00Z-a41b      2 KiB  1 process  pinned
                  2026-11-24T07:17:00Z-0b12    6.2 GiB  12 processes  latest
                nightly/web-0a0b0c0d
                  2026-11-24T07:17:00Z-0b13  its manifest is gone
                """)
    }
}
