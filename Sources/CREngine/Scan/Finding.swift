/// One thing that a scan has to say of a tree or a policy.
package struct Finding: Equatable, Sendable, Codable {
    package enum Severity: String, Sendable, Codable, CaseIterable {
        /// The tree cannot be dumped.
        case block
        /// It leads out of the tree, and the policy permits it.
        case allowed
        case warn
        case info
    }
    package var code: FindingCode
    package var severity: Severity
    /// Where it is.
    package var object: FindingObject
    /// What was found, without whose it is: `established tcp 10.1.3.7:40122 -> 203.0.113.9:8443`.
    package var what: String
    /// Why it matters and what can be done, one sentence.
    package var why: String
    /// The YAML that would allow it; nil where no policy can.
    package var remedy: String?
    /// The option or the name by which CRIU knows it.
    package var criu: String?

    package init(
        _ code: FindingCode, _ object: FindingObject, _ what: String, severity: Severity? = nil,
        remedy: String? = nil
    ) {
        let entry = code.entry
        self.code = code
        self.severity = severity ?? entry.severity
        self.object = object
        self.what = what
        why = entry.why
        self.remedy = remedy ?? entry.remedy
        criu = entry.criu
    }
}

extension Finding {
    /// `CRP210 [ext-unix-sk] unix dgram -> /run/log (pid 7 fd 3): the sentence`
    package var line: String {
        let place = object.place.map { " (\($0))" } ?? ""
        let name = criu.map { " [\($0)]" } ?? ""
        return "\(code.rawValue)\(name) \(what)\(place): \(why)"
    }
}

extension FindingObject {
    /// `pid 7 fd 3`, or the path of what no process has; nil where neither is known.
    package var place: String? {
        var parts: [String] = []
        if let pid { parts.append("pid \(pid)") }
        if let fd { parts.append("fd \(fd)") }
        if pid == nil, let path { parts.append(path) }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }
}

/// What a finding is about; all that is known of it.
package struct FindingObject: Equatable, Sendable, Codable {
    package var pid: PID?
    package var tid: TID?
    package var fd: Int32?
    /// Start of an area of memory.
    package var address: UInt64?
    package var inode: UInt64?
    package var path: String?
    /// The other end: an address, a bound name, or who holds it.
    package var peer: String?
    /// Key path in the policy.
    package var key: String?
    package init(
        pid: PID? = nil, tid: TID? = nil, fd: Int32? = nil, address: UInt64? = nil, inode: UInt64? = nil,
        path: String? = nil, peer: String? = nil, key: String? = nil
    ) {
        self.pid = pid
        self.tid = tid
        self.fd = fd
        self.address = address
        self.inode = inode
        self.path = path
        self.peer = peer
        self.key = key
    }
}
