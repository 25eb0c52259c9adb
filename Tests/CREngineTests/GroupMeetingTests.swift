import Glibc
import Testing

@testable import CREngine

/// Both ends of a group's meetings, each with a plain socket in the other one's place.
@Suite struct GroupMeetingTests {
    /// Sends one byte, and tells whether that went.
    private func say(_ byte: UInt8, _ socket: Int32) -> Bool {
        var byte = byte
        return send(socket, &byte, 1, Int32(MSG_NOSIGNAL)) == 1
    }

    /// The byte that has come; 0 at the end of the stream, which is a reset where the other end left bytes unread; nil
    /// when nothing has come.
    private func heard(_ socket: Int32) -> UInt8? {
        var byte: UInt8 = 0
        let count = recv(socket, &byte, 1, Int32(MSG_DONTWAIT))
        if count == 0 || (count < 0 && errno == ECONNRESET) { return 0 }
        return count == 1 ? byte : nil
    }

    @Test func `nobody is sent on before the last one has come, at each stage`() throws {
        let meeting = GroupMeeting(size: 2) { nil }
        let one = try meeting.seat(0)
        let two = try meeting.seat(1)
        for stage in DumpStage.allCases.map(\.rawValue) {
            #expect(say(stage, one.rawValue))
            meeting.listen()
            #expect(heard(one.rawValue) == nil)
            #expect(say(stage, two.rawValue))
            meeting.listen()
            #expect(heard(one.rawValue) == stage && heard(two.rawValue) == stage)
        }
        #expect(meeting.failure == nil)
    }

    @Test func `who is abandoned hears the end, and the first reason stays`() throws {
        let meeting = GroupMeeting(size: 2) { nil }
        let one = try meeting.seat(0)
        let two = try meeting.seat(1)
        #expect(say(DumpStage.frozen.rawValue, one.rawValue))
        meeting.abandon("first")
        meeting.abandon("second")
        #expect(heard(one.rawValue) == 0 && heard(two.rawValue) == 0)
        #expect(meeting.failure == "first")
    }

    @Test func `the group is looked at once all stand still, and only then`() throws {
        var looks = 0
        let meeting = GroupMeeting(size: 1) {
            looks += 1
            return looks == 1 ? nil : "again"
        }
        let one = try meeting.seat(0)
        meeting.listen()
        #expect(looks == 0)
        for stage in DumpStage.allCases.map(\.rawValue) {
            #expect(say(stage, one.rawValue))
            meeting.listen()
            #expect(heard(one.rawValue) == stage)
        }
        #expect(looks == 1)
    }

    /// A seat whose other end is a plain socket that has said `answer` already.
    private func meet(_ stage: DumpStage, answer: UInt8?, isClosed: Bool = false) throws -> String {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let seat = GroupSeat(OwnedFD(taking: ends[0]), group: "session 7", patience: 30)
        if let answer { #expect(say(answer, ends[1])) }
        if isClosed { shutdown(ends[1], Int32(SHUT_WR)) }
        defer { close(ends[1]) }
        do throws(DumpError) {
            try seat.meet(stage)
        } catch {
            return "\(error)"
        }
        #expect(heard(ends[1]) == stage.rawValue)
        return "met"
    }

    @Test func `a worker goes on with the byte that it sent, and with no other one`() throws {
        let abandoned = "let go, as another tree of session 7 was not dumped"
        #expect(try meet(.written, answer: DumpStage.written.rawValue) == "met")
        #expect(try meet(.written, answer: DumpStage.copied.rawValue) == abandoned)
        #expect(try meet(.published, answer: nil, isClosed: true) == abandoned)
        #expect(
            try meet(.frozen, answer: nil)
                == "not all trees of session 7 could be frozen within dump.freeze-timeout")
    }
}
