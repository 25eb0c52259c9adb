import Glibc

/// Tells names from files: whether a path that the kernel gives for a file still leads to it.
///
/// Asks for each pair of path and file once.
struct PathCheck {
    private struct Question: Hashable {
        var link: String
        var device: DeviceNumber
        var inode: UInt64
        var view: String
    }
    struct Answer {
        /// Without ` (deleted)` where the kernel added that.
        var path: String
        var reach: PathReach
    }
    private var answers: [Question: Answer] = [:]
    private let patient: PatientLook

    init(patient: PatientLook = PatientLook()) { self.patient = patient }

    private static let mark = " (deleted)"

    /// `view`: the directory that is the root of whoever the path was told by, empty for our own; nil where it cannot be
    /// had.
    mutating func answer(_ link: String, _ facts: FileFacts?, view: String?) -> Answer {
        guard link.hasPrefix("/") else { return Answer(path: link, reach: .notAPath) }
        if link.hasPrefix("/memfd:") || link.hasPrefix("/SYSV") || link.hasPrefix("/[aio]")
            || link.hasPrefix("/dev/zero (deleted)") || link.hasPrefix("/anon_hugepage")
            || link == "/secretmem (deleted)"
        {
            return Answer(path: stripped(link), reach: .notAPath)
        }
        guard let facts, let view else {
            return Answer(path: stripped(link), reach: facts?.links == 0 ? .gone : .unknown)
        }
        let question = Question(link: link, device: facts.device, inode: facts.inode, view: view)
        if let known = answers[question] { return known }
        let answer = ask(link, facts, view)
        answers[question] = answer
        return answer
    }

    private func ask(_ link: String, _ facts: FileFacts, _ view: String) -> Answer {
        if leads(view + link, to: facts) == .same { return Answer(path: link, reach: .same) }
        let path = stripped(link)
        if path == link { return Answer(path: path, reach: leads(view + path, to: facts)) }
        return Answer(path: path, reach: leads(view + path, to: facts) == .same ? .same : .gone)
    }

    private func leads(_ path: String, to facts: FileFacts) -> PathReach {
        do throws(Errno) {
            // A file system on a block device is the kernel's own.
            let now =
                facts.device.major == 0
                ? try patient.facts(of: path) : try FileFacts.of(path, followingLinks: false)
            return now.isSameFile(as: facts) ? .same : .other
        } catch {
            return error == .noEntry || error == .notDirectory ? .gone : .unknown
        }
    }

    private func stripped(_ link: String) -> String {
        link.hasSuffix(Self.mark) ? String(link.dropLast(Self.mark.count)) : link
    }
}
