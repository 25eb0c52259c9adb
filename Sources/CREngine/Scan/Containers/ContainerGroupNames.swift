/// Containers by the names that engines give to control groups, for those that leave no note where we look.
enum ContainerGroupNames {
    /// The runtime and the id; nil for a group of no container. The first part of the path that speaks of one counts.
    static func container(of path: String) -> ContainerFacts? {
        let parts = path.split(separator: "/")
        for (place, part) in parts.enumerated() {
            for (prefix, runtime) in prefixes where part.hasPrefix(prefix) {
                var id = part.dropFirst(prefix.count)
                if id.hasSuffix(".scope") { id = id.dropLast(".scope".count) }
                // conmon, which runs a container, is in a group beside it: libpod-conmon-ID.scope.
                if id.isEmpty || id.hasPrefix("conmon-") { continue }
                guard !mustBeHash.contains(runtime) || isHash(id) else { continue }
                return ContainerFacts(runtimes: [runtime], id: String(id))
            }
            // With the cgroupfs driver of docker: /docker/ID.
            if part == "docker", place + 1 < parts.count, isHash(parts[place + 1]) {
                return ContainerFacts(runtimes: ["docker"], id: String(parts[place + 1]))
            }
        }
        return nil
    }

    private static let prefixes = [
        ("docker-", "docker"), ("libpod-", "podman"), ("cri-containerd-", "containerd"), ("crio-", "cri-o"),
        ("lxc.payload.", "lxc"),
    ]
    /// Whose ids are hashes, where another group may begin with the same letters.
    private static let mustBeHash: Set<String> = ["docker", "podman", "containerd", "cri-o"]

    private static func isHash(_ id: Substring) -> Bool { id.count == 64 && id.allSatisfy { $0.isHexDigit } }
}
