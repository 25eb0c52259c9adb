import PolicyModel
import Testing

@testable import CREngine

/// A user namespace of a tree's own: its maps, and what of it can be carried.
@Suite struct UserNamespaceTests {
    private static let map = "         0     100000      65536\n     70000     300000       1000\n"

    private static func parsed(_ text: String) throws -> IDMap { try IDMap(parsing: Array(text.utf8)) }

    @Test func `ids go over by the ranges of a map, and no others`() throws {
        let map = try Self.parsed(Self.map)
        #expect(map.inside(100_000) == 0 && map.inside(165_535) == 65535 && map.inside(165_536) == nil)
        #expect(map.outside(70_999) == 300_999 && map.outside(71_000) == nil && map.outside(65536) == nil)
        #expect(map.text == "0 100000 65536\n70000 300000 1000\n")
        #expect(map.description == "0-65535 are 100000-165535, 70000-70999 are 300000-300999")
        #expect(map.first == 0 && IDMap([.init(inside: 7, outside: 8, count: 1)]).first == 7)
    }

    @Test(arguments: ["0 1\n", "a b c\n", "0 0 4294967296\n"])
    func `a map that is none is an error`(_ text: String) {
        #expect(throws: ProcFormatError.self) { try Self.parsed(text) }
    }

    @Test func `ranges that overlap, or go beyond the last id, are no map`() {
        func map(_ extents: (UInt32, UInt32, UInt32)...) -> IDMap {
            IDMap(extents.map { IDMap.Extent(inside: $0.0, outside: $0.1, count: $0.2) })
        }
        #expect(map((0, 0, .max)).isPossible && map((0, 5, 5), (5, 0, 5)).isPossible)
        #expect(!map((0, 100, 10), (9, 200, 10)).isPossible && !map((0, 100, 10), (20, 109, 10)).isPossible)
        #expect(!map((2, 0, .max - 1)).isPossible && !map((0, 0, 0)).isPossible)
        #expect(!map((0, .max, 1)).isPossible)
    }

    @Test func `a range is given out of one range, not of two`() throws {
        let map = try Self.parsed("0 100000 1000\n1000 300000 1000\n")
        func canGive(_ outside: UInt32, _ count: UInt32) -> Bool {
            map.canGive(IDMap.Extent(inside: 0, outside: outside, count: count))
        }
        #expect(canGive(0, 1000) && canGive(1000, 1000) && canGive(999, 1))
        #expect(!canGive(999, 2) && !canGive(1000, 1001) && !canGive(2000, 1) && !canGive(.max, 1))
    }

    @Test func `maps and what CRIU has no field for come back from an image`() throws {
        let directory = try TemporaryDirectory()
        var tree = RichTree.make()
        for place in tree.tasks.indices { tree.tasks[place].ids?.userNS = 12 }
        for ghost in tree.ghosts {
            try GhostWriter.write(ghost, contentFD: nil, to: try directory.open())
        }
        let map = try Self.parsed(Self.map)
        var image = UserNamespaceImage(users: map, groups: IDMap([.init(inside: 0, outside: 4, count: 1)]))
        (image.deniesGroups, image.keptGroups) = (true, [4, 27])
        tree.namespaces.user = image
        try ImageSet.write(tree, to: try directory.open())
        #expect(try directory.names().contains("userns-12.img"))
        #expect(try ImageSet.read(from: try directory.open()).namespaces.user == image)
    }

    // MARK: Rules

    private static func snapshot(_ change: (inout Snapshot) -> Void = { _ in }) -> Snapshot {
        var snapshot = ordinarySnapshot()
        snapshot.ownNamespaces.user = 1
        for place in snapshot.tasks.indices {
            snapshot.tasks[place].namespaces.user = 2
            for thread in snapshot.tasks[place].threads.indices {
                for ids in [\TaskStatus.users, \TaskStatus.groups] {
                    var all = TaskStatus.IDs()
                    (all.real, all.effective, all.saved, all.fileSystem) = (500, 500, 501, 500)
                    snapshot.tasks[place].threads[thread].status[keyPath: ids] = all
                }
            }
        }
        let map = IDMap([.init(inside: 0, outside: 500, count: 10)])
        snapshot.userNamespace = UserNamespaceFacts(
            users: map, groups: map, deniesGroups: false, isNested: false)
        change(&snapshot)
        return snapshot
    }

    private static func findings(_ snapshot: Snapshot) -> [Finding] {
        Scanner.scan(snapshot, allow: Allowances()).filter { $0.code == .userNamespace }
    }

    @Test func `a tree in one of its own is carried, and told`() throws {
        let found = Self.findings(Self.snapshot())
        #expect(found.map(\.severity) == [.info])
        #expect(found.first?.what == "user namespace 2: users 0-9 are 500-509, groups 0-9 are 500-509")
    }

    @Test func `what cannot be made again blocks`() {
        let changes: [(String, (inout Snapshot) -> Void)] = [
            ("made in another one", { $0.userNamespace?.isNested = true }),
            ("maps cannot be read", { $0.userNamespace = nil }),
            ("no group is mapped", { $0.userNamespace?.groups = IDMap() }),
            ("user 77, which", { $0.tasks[0].threads[0].status.users.saved = 77 }),
            ("group 78, which", { $0.tasks[0].threads[0].status.groups.fileSystem = 78 }),
            ("network namespace 0, which user namespace 3 owns", { $0.foreignOwners[.net] = 3 }),
        ]
        for (text, change) in changes {
            let found = Self.findings(Self.snapshot(change)).filter { $0.severity == .block }
            #expect(found.contains { $0.what.contains(text) }, "\(text): \(found.map(\.what))")
        }
    }

    @Test func `a task in another one than the root's blocks`() throws {
        var snapshot = Self.snapshot()
        var child = snapshot.tasks[0]
        (child.pid, child.parent) = (PID(101), PID(100))
        child.namespaces.user = 3
        snapshot.tasks.append(child)
        let found = Self.findings(snapshot).filter { $0.severity == .block }
        #expect(found.map(\.object.pid) == [PID(101)])
    }

    @Test func `groups without a number inside are inherited by all that have such, or block`() throws {
        var snapshot = Self.snapshot { $0.tasks[0].threads[0].status.supplementaryGroups = [27, 500] }
        #expect(UserNamespaceRules.keptGroups(of: snapshot) == [27, 500])
        #expect(Self.findings(snapshot).map(\.severity) == [.info])
        var child = snapshot.tasks[0]
        (child.pid, child.parent) = (PID(101), PID(100))
        child.threads[0].status.supplementaryGroups = [501]
        snapshot.tasks.append(child)
        #expect(Self.findings(snapshot).map(\.severity) == [.info])
        snapshot.userNamespace?.deniesGroups = true
        #expect(Self.findings(snapshot).map(\.severity) == [.info, .block])
    }
}
