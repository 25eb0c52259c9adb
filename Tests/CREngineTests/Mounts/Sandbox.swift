import CPlatform
import FoundationEssentials
import Glibc
import Testing

@testable import CREngine

/// A child of ours that is a shell in a mount namespace of its own, with a root directory that it has pivoted to.
///
/// The root shows the host's /usr by a bind mount and has what the script makes; the shell waits until it is killed.
final class Sandbox {
    let pid: PID
    let directory: String

    /// `script` runs in the new root, with the tools of /usr; `userNamespace` makes one too, in which the shell is root.
    init(_ script: String, unshare: [String] = ["--mount"]) throws {
        var template = Array("/tmp/crplan-mounts-XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        let lines = """
            set -e
            exec >\(directory)/log 2>&1
            cd \(directory)
            mkdir root source
            echo source > source/file
            mount --bind root root
            cd root
            mkdir usr old proc tmp run data
            ln -s usr/bin bin; ln -s usr/lib lib; ln -s usr/lib64 lib64
            mount --bind /usr usr
            mount --bind ../source data
            mount -t proc proc proc
            pivot_root . old
            cd /
            umount -l /old
            \(script)
            mkfifo /fifo
            echo ready > /ready
            read -r nothing < /fifo
            """
        _ = FileManager.default.createFile(atPath: directory + "/script", contents: Data(lines.utf8))
        let words = ["/usr/bin/unshare"] + unshare + ["--", "/bin/sh", directory + "/script"]
        let arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        let error = posix_spawn(&child, words[0], nil, nil, arguments, environ)
        try #require(error == 0)
        pid = PID(child)
    }

    /// Waits until the script has run to its end.
    func ready() throws {
        let deadline = MonotonicClock.now() + 30_000_000_000
        while access(directory + "/root/ready", F_OK) != 0 {
            let log = (try? String(contentsOfFile: directory + "/log", encoding: .utf8)) ?? ""
            try #require(MonotonicClock.now() < deadline && kill(pid.rawValue, 0) == 0, "\(log)")
            usleep(5000)
        }
    }

    deinit {
        _ = kill(pid.rawValue, SIGKILL)
        var status: Int32 = 0
        _ = waitpid(pid.rawValue, &status, 0)
        try? FileManager.default.removeItem(atPath: directory)
    }

    func rows() throws -> [MountRow] { try Self.rows("/proc/\(pid)/mountinfo") }
    static func rows(_ path: String) throws -> [MountRow] {
        try MountRow.parse(try OwnedFD.open(path, O_RDONLY).readToEnd())
    }

    func facts() throws -> MountNamespaceFacts {
        MountNamespaceFacts(
            namespace: 0, pid: pid, rows: try rows(), ownRows: try Self.rows("/proc/self/mountinfo"))
    }
}

/// Archives of an image directory, as a restore opens them.
struct Archives {
    let directory: Int32

    func open(_ name: String) throws(ImageError) -> OwnedFD? {
        do throws(Errno) {
            return try OwnedFD.openat(directory, name, O_RDONLY)
        } catch {
            if error == .noEntry { return nil }
            throw ImageError(file: name, "cannot be opened", errno: error)
        }
    }
}

/// A stub in a mount namespace of its own, as the root of a restored tree is; killed when it goes.
final class MountStub {
    let thread: StubThread
    let lender = Lender(number: 300)
    private let keep: OwnedFD

    init() throws {
        let vdso = try OwnVDSO()
        let tree = TreeImage(
            inventory: InventoryImage(rootIDs: KernelObjectIDs(), runID: "x"), tasks: [], files: [])
        let layout = try StubLayout(tree: tree, vdso: vdso)
        let limit = Int32(
            try OwnedFD.open("/proc/sys/kernel/pid_max", O_RDONLY).readToEnd().lines[0].decimal ?? 32768)
        // A number that is free; another may take it first.
        var started: OwnedFD?
        var pid = limit - 2
        while started == nil {
            pid -= 1
            try #require(pid > 1000)
            started = try? RootStub.start(PID(pid), session: nil, parent: .caller)
        }
        guard let started else { throw Errno.noProcess }
        keep = started
        thread = try RootStub.seize(PID(pid), layout: layout, vdso: vdso, lender: lender.number)
        let newMounts = 0x2_0000
        try thread.call("unshare", CP_SYS_unshare, newMounts)
    }

    deinit {
        _ = kill(thread.tid.rawValue, SIGKILL)
        var status: Int32 = 0
        _ = waitpid(thread.tid.rawValue, &status, Int32(bitPattern: UInt32(__WALL)))
    }

    func rows() throws -> [MountRow] { try Sandbox.rows("/proc/\(thread.tid)/mountinfo") }
    /// A path as the stub sees it.
    func text(_ path: String) throws -> String {
        try String(contentsOfFile: self.path(path), encoding: .utf8)
    }
    func path(_ path: String) -> String { "/proc/\(thread.tid)/root" + path }
}
