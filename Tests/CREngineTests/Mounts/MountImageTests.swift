import PolicyModel
import Testing

@testable import CREngine

/// Rows of mountinfo become the image that criu makes of them, and the image becomes a plan.
@Suite struct MountImageTests {
    private func image(_ text: String = MountRulesTests.sandbox) throws -> MountNamespaceImage {
        var allow = MountAllowances()
        allow.external["/data"] = .init(key: "DATA", source: nil)
        return try MountSurvey(try MountRulesTests.facts(text), allow).image()
    }

    private func mount(_ image: MountNamespaceImage, _ id: UInt32) -> MountImage? {
        image.mounts.first { $0.id == id }
    }

    @Test func `fields are those that criu writes`() throws {
        let image = try image()
        let slave = try #require(mount(image, 61))
        #expect(slave.flags.rawValue == 0x380000 && slave.peerGroup == 12 && slave.masterGroup == 11)
        #expect(slave.fileSystem == 5 && slave.device == 50 && slave.options == "size=1024k")
        #expect(mount(image, 54)?.flags.rawValue == 0x20_0003)
        #expect(mount(image, 57)?.options == "gid=5,mode=620,ptmxmode=666,newinstance")
        let external = try #require(mount(image, 94))
        #expect(external.externalKey == "DATA" && external.fileSystem == 0 && external.root == "/srv/data")
        #expect(external.device == 254 << 20 && external.source == "/dev/vda")
        #expect(mount(image, 93)?.parent == 42 && image.mounts.last?.id == 93)
    }

    @Test func `an image comes back as it was`() throws {
        var image = try image()
        image.mounts[0].isDeleted = true
        image.mounts[1].fileSystemName = "nfs"
        image.mounts[2].hasInternalSharing = true
        let directory = try TemporaryDirectory()
        let fd = try directory.open()
        try image.write(namespace: 12, to: fd)
        #expect(try MountNamespaceImage.read(namespace: 12, in: fd, .twoWords) == image)
    }

    @Test func `deeper mount points come before what covers them, and binds after their source`() throws {
        let text =
            MountRulesTests.sandbox + "\n"
            + "70 93 0:70 / /run rw - tmpfs a rw\n71 93 0:71 / /run/x/y rw - tmpfs b rw\n72 70 0:72 / /run rw - tmpfs c rw"
        let tree = try MountTree(try MountRow.parse(Array(text.utf8)))
        let order = tree.attachOrder.map(\.id)
        func place(_ id: Int32) -> Int { order.firstIndex(of: id) ?? -1 }
        #expect(order.first == 93 && order.count == 10)
        #expect(place(71) < place(70) && place(60) < place(70) && place(70) < place(72))
        var outside = MountPlan.Outside(root: "/root")
        outside.sources["DATA"] = "/new"
        let plan = try MountPlan(try image(text), outside)
        #expect(plan.sourceOrder.first == 93)
        #expect(plan.steps.first { $0.mount.id == 72 }?.place == .init(parent: 70, path: ""))
        #expect(plan.steps.first { $0.mount.id == 71 }?.place == .init(parent: 93, path: "run/x/y"))
        #expect(plan.steps.first { $0.mount.id == 94 }?.source == .outside(path: "/new", keeps: .nothing))
        // Whichever of the three is made anew, the others are bound from it.
        let tmp = plan.primary(of: 60)
        let sources = [54, 60, 61].filter { $0 != tmp }.map { id in
            plan.steps.first { $0.mount.id == id }?.source
        }
        #expect(sources == [.bind(of: tmp, part: ""), .bind(of: tmp, part: "")])
        #expect(plan.groups.map(\.id) == [11, 12] && plan.groups.last?.master == 11)
    }

    @Test func `a key without a path is refused and named`() throws {
        let error = try #require(throws: RestoreError.self) {
            try MountPlan(try image(), MountPlan.Outside(root: "/root"))
        }
        #expect(error.description.hasSuffix("name it: --external 'mnt[DATA]:/PATH'"))
    }

    @Test func `peers of which none shows all join a helper`() throws {
        let text =
            MountRulesTests.sandbox + "\n"
            + "70 93 0:50 /a /x rw shared:20 - tmpfs tmp rw\n71 93 0:50 /b /y rw shared:20 - tmpfs tmp rw"
        var outside = MountPlan.Outside(root: "/root")
        outside.sources["DATA"] = "/new"
        let plan = try MountPlan(try image(text), outside)
        #expect(plan.groups.first { $0.id == 20 }?.helper == plan.primary(of: 70))
        #expect(plan.groups.first { $0.id == 11 }?.helper == nil)
    }

    @Test func `mounts that are no tree are refused`() throws {
        var image = try image()
        image.mounts[0].parent = image.mounts[0].id + 1000
        #expect(throws: RestoreError.self) { try MountPlan(image, MountPlan.Outside(root: "/root")) }
        image.mounts = []
        #expect(throws: RestoreError.self) { try MountPlan(image, MountPlan.Outside(root: "/root")) }
    }
}
