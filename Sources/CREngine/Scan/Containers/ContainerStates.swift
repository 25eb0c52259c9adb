import Glibc

/// The containers that runtimes of this host have notes of.
struct ContainerStates {
    /// A container by its note, with the names of what runs it.
    struct Entry: Equatable, Sendable {
        var state: ContainerState
        var runtimes: [String]
    }

    /// Where a runtime keeps a directory for each container, and what in it is the note.
    struct Place: Equatable, Sendable {
        var path: String
        var runtimes: [String]
        var file: String
    }

    /// Of root, and of users that run containers of their own: $XDG_RUNTIME_DIR is /run/user/UID.
    static func places(users: [String]) -> [Place] {
        let runc = "state.json", crun = "status"
        var found = [
            Place(path: "/run/runc", runtimes: ["runc"], file: runc),
            Place(path: "/run/crun", runtimes: ["crun"], file: crun),
            Place(path: "/run/docker/runtime-runc/moby", runtimes: ["runc", "docker"], file: runc),
            Place(path: "/run/docker/runtime-runc/plugins.moby", runtimes: ["runc", "docker"], file: runc),
            Place(path: "/run/containerd/runc/default", runtimes: ["runc", "containerd"], file: runc),
            Place(path: "/run/containerd/runc/k8s.io", runtimes: ["runc", "containerd"], file: runc),
        ]
        for user in users {
            found.append(Place(path: "/run/user/\(user)/runc", runtimes: ["runc"], file: runc))
            found.append(Place(path: "/run/user/\(user)/crun", runtimes: ["crun"], file: crun))
        }
        return found
    }

    /// Reads all notes. What cannot be read is no container that we know of: most hosts have none of these.
    static func read() -> [Entry] {
        places(users: names(in: "/run/user")).flatMap { place in
            names(in: place.path).compactMap { id -> Entry? in
                let note = "\(place.path)/\(id)/\(place.file)"
                guard let bytes = try? OwnedFD.open(note, O_RDONLY).readToEnd(limit: 1 << 24) else {
                    return nil
                }
                let state =
                    place.file == "status" ? ContainerState.crun(bytes, id: id) : ContainerState.runc(bytes)
                return state.map { Entry(state: $0, runtimes: place.runtimes) }
            }
        }
    }

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { found.append(name) }
        }
        return found.sorted()
    }
}
