/// Which control groups a dump takes down and where a restore puts them: CRIU's --cgroup-root, --cgroup-dump-controller,
/// --cgroup-yard and --cgroup-props.
package struct CgroupChoice: Sendable, Equatable {
    /// `[CONTROLLER:]/PATH`: of one controller, or of all that have none of their own.
    package struct Root: Sendable, Equatable {
        /// Nil for all; empty for cgroup2, as the kernel and the RPC of criu name it.
        package var controller: String?
        /// With a leading slash and none at its end, but for the root of a hierarchy.
        package var path: String

        /// Nil for another spelling, and for a path that leads elsewhere.
        package init?(_ text: String) {
            guard let slash = text.firstIndex(of: "/") else { return nil }
            if slash > text.startIndex {
                let name = text[..<slash]
                guard name.last == ":" else { return nil }
                controller = String(name.dropLast())
            }
            let parts = text[slash...].split(separator: "/")
            if parts.contains("..") || parts.contains(".") { return nil }
            path = "/" + parts.joined(separator: "/")
        }
    }

    package var roots: [Root] = []
    /// The hierarchies that `cgroup.img` describes: names of controllers; empty for all.
    package var controllers: [String] = []
    /// Directory below which the hierarchies are mounted that count; nil for wherever they are.
    package var yard: String?
    package var properties = CgroupPropertyRules()

    package init() {}

    /// The root of a hierarchy, as in /proc/PID/cgroup; nil where none was given.
    package func root(ofHierarchy hierarchy: String) -> String? {
        let names = hierarchy.split(separator: ",").map(String.init)
        let own = roots.last { $0.controller.map(names.contains) == true }
        return (own ?? roots.last { $0.controller == nil })?.path
    }

    /// Whether the groups of a hierarchy are described.
    package func describes(hierarchy: String) -> Bool {
        controllers.isEmpty || hierarchy.split(separator: ",").contains { controllers.contains(String($0)) }
            || hierarchy.isEmpty && controllers.contains("")
    }
}
