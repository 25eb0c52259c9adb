import PolicyModel

/// The container that a process is in, by what runs it.
package struct ContainerFacts: Equatable, Sendable, CustomStringConvertible {
    /// What made it and what runs it, `crun` and `podman` say; each is a name that a policy may use.
    package var runtimes: [String]
    package var id: String
    /// What people call it; the id where nothing else is known.
    package var name: String

    package init(runtimes: [String], id: String, name: String? = nil) {
        self.runtimes = runtimes
        self.id = id
        self.name = name ?? id
    }

    package var description: String {
        let owner = runtimes.joined(separator: ", ")
        return name == id ? "\(id) of \(owner)" : "\(name) (\(id)) of \(owner)"
    }

    func fits(_ matcher: ContainerMatcher) -> Bool {
        (matcher.runtime.map { glob in runtimes.contains { glob.matches($0) } } ?? true)
            && (matcher.id?.matches(id) ?? true) && (matcher.name?.matches(name) ?? true)
    }
}

/// Whether a process is in a container.
package enum ContainerMembership: Equatable, Sendable {
    /// Nobody asked, or the kernel does not show it.
    case unknown
    case none
    case inside(ContainerFacts)
}
