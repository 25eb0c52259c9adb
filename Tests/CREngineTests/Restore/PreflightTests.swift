import Glibc
import Testing

@testable import CREngine

@Suite struct PreflightTests {
    private func tree(pid: Int32) -> TreeImage {
        let task = TaskImage(
            pid: PID(pid), parent: PID(0), pgid: PID(pid), sid: PID(pid), state: .alive,
            threads: [ThreadImage(tid: TID(pid), comm: "t")])
        return TreeImage(
            inventory: InventoryImage(rootIDs: KernelObjectIDs(), runID: "x"), tasks: [task], files: [])
    }

    @Test func `an id that is taken is reported with its owner`() throws {
        let problems = PreflightIDs.problems(tree(pid: getpid()))
        let problem = try #require(problems.first)
        #expect(problem.subject == "id \(getpid())")
        #expect(problem.fact.hasPrefix("is taken by "))
        #expect(problem.fact.hasSuffix("(a process)"))
    }

    @Test func `a free id is no problem`() {
        // Above every pid_max.
        #expect(PreflightIDs.problems(tree(pid: 0x7fff_fffe)) == [])
    }

    @Test func `a file that changed is named with what it was`() throws {
        var tree = tree(pid: 0x7fff_fffe)
        var file = RegularFileImage(path: "/proc/self/exe")
        file.size = 3
        tree.files = [FileImage(id: 1, content: .regular(file))]
        let problem = try #require(PreflightFiles(tree: tree, options: RestoreOptions()).problems().first)
        #expect(problem.subject == "/proc/self/exe")
        #expect(problem.fact.hasSuffix("and had 3 at the dump"))
    }

    @Test func `permission bits are compared unless told otherwise`() throws {
        var tree = tree(pid: 0x7fff_fffe)
        var file = RegularFileImage(path: "/dev/null")
        file.mode = 0o020000
        tree.files = [FileImage(id: 1, content: .regular(file))]
        var options = RestoreOptions()
        #expect(PreflightFiles(tree: tree, options: options).problems().count == 1)
        options.skipsModeCheck = true
        #expect(PreflightFiles(tree: tree, options: options).problems() == [])
    }

    @Test func `a kind that cannot be restored is named with its descriptor`() throws {
        var tree = tree(pid: 0x7fff_fffe)
        tree.files = [FileImage(id: 9, content: .unsupported(kind: 7))]
        tree.tasks[0].descriptors = [DescriptorImage(fd: 4, file: 9, flags: 0)]
        let problem = try #require(PreflightFiles(tree: tree, options: RestoreOptions()).problems().first)
        #expect(
            problem.description
                == "fd 4 of \(0x7fff_fffe): is of kind epoll, which cannot be restored yet")
    }
}
