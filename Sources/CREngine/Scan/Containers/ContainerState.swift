import FoundationEssentials

/// What a runtime notes of a container that it started.
struct ContainerState: Equatable, Sendable {
    var id: String
    /// The container's first process, in our pid namespace.
    var pid: PID
    /// Clock ticks after boot; nil where it is not noted. A pid alone may be somebody else's by now.
    var startTime: UInt64?

    /// `state.json` of runc (libcontainer/container_linux.go, BaseState).
    static func runc(_ json: [UInt8]) -> ContainerState? {
        struct Note: Decodable {
            var id: String
            var pid: Int32
            var start: UInt64?
            enum CodingKeys: String, CodingKey {
                case id
                case pid = "init_process_pid"
                case start = "init_process_start"
            }
        }
        guard let note = try? JSONDecoder().decode(Note.self, from: Data(json)), note.pid > 0
        else { return nil }
        return ContainerState(
            id: note.id, pid: PID(note.pid), startTime: note.start)
    }

    /// `status` of crun (src/libcrun/status.c), which is named by its directory.
    static func crun(_ json: [UInt8], id: String) -> ContainerState? {
        struct Note: Decodable {
            var pid: Int32
            var processStartTime: UInt64?
            enum CodingKeys: String, CodingKey {
                case pid
                case processStartTime = "process-start-time"
            }
        }
        guard let note = try? JSONDecoder().decode(Note.self, from: Data(json)), note.pid > 0 else {
            return nil
        }
        return ContainerState(id: id, pid: PID(note.pid), startTime: note.processStartTime)
    }
}
