import Testing

@testable import CREngine

@Suite struct FinalStateTests {
    private func registers(ax: Int64, call: UInt64) -> RegisterImage {
        var registers = RegisterImage()
        registers.ip = 0x1002
        registers.ax = UInt64(bitPattern: ax)
        registers.origAx = call
        return registers
    }

    @Test func `a call with a raw restart code begins again`() {
        for code: Int64 in [-512, -513, -514, -516] {
            let result = FinalState.restarted(registers(ax: code, call: 230), pending: .none)
            #expect(result.ip == 0x1000)
            #expect(result.ax == 230)
            #expect(result.origAx == .max)
        }
    }

    @Test func `a sleep that CRIU ended with EINTR begins again`() {
        let result = FinalState.restarted(registers(ax: -4, call: 35), pending: .none)
        #expect(result.ip == 0x1000)
        #expect(result.ax == 35)
    }

    @Test func `a sleep keeps the EINTR that a waiting handler owes it`() {
        let result = FinalState.restarted(registers(ax: -4, call: 35), pending: .interrupting)
        #expect(result.ip == 0x1002)
        #expect(result.ax == UInt64(bitPattern: -4))
    }

    @Test func `registers outside of a call are left alone`() {
        var outside = registers(ax: -516, call: .max)
        outside.flags = 0x246
        #expect(FinalState.restarted(outside, pending: .none) == outside)
    }

    @Test func `a legacy register area is marked as such`() {
        let area = FinalState.fitted([UInt8](repeating: 7, count: 512), to: 832)
        #expect(area.count == 832)
        #expect(area[511] == 7)
        #expect(area[512] == 3)
        #expect(area[513...].allSatisfy { $0 == 0 })
    }

    @Test func `a pending signal runs a handler only when it is unblocked and handled`() {
        var thread = ThreadImage(tid: TID(7), comm: "t")
        var info = [UInt8](repeating: 0, count: 128)
        info[0] = 10
        thread.pendingSignals = [info]
        var process = ProcessImage()
        process.signalActions = [SignalActionImage](repeating: SignalActionImage(), count: 62)
        func pending() -> PendingHandler {
            var task = TaskImage(
                pid: PID(7), parent: PID(0), pgid: PID(7), sid: PID(7), state: .alive, threads: [thread])
            task.process = process
            return PendingHandler.of(thread, in: task)
        }
        #expect(pending() == .none)
        // Signal 10 is the ninth action: 9 has none.
        process.signalActions[8].handler = 0x4000
        #expect(pending() == .interrupting)
        process.signalActions[8].flags = 0x1000_0000
        #expect(pending() == .restarting)
        thread.signalMask = 1 << 9
        #expect(pending() == .none)
    }
}
