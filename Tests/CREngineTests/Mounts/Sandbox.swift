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
            mknod /null c 1 3
            exec < /null > /null 2>&1
            exec /bin/sh -c 'echo ready > /ready; read -r nothing < /fifo'
            """
        _ = FileManager.default.createFile(atPath: directory + "/script", contents: Data(lines.utf8))
        let words =
            ["/usr/bin/setsid", "/usr/bin/unshare"] + unshare + ["--", "/bin/sh", directory + "/script"]
        let arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        let error = posix_spawn(&child, words[0], &actions, nil, arguments, environ)
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

    init() throws {
        let vdso = try OwnVDSO()
        let tree = TreeImage(
            inventory: InventoryImage(rootIDs: KernelObjectIDs(), runID: "x"), tasks: [], files: [])
        let layout = try StubLayout(tree: tree, vdso: vdso)
        let birth = try LenderAtBirth(hasUserNamespace: false)
        // The first of a pid namespace of its own, as the root of a container is.
        let started = try RootStub.start(
            PID(1), session: nil, namespaces: [.pid, .mount], parent: .caller)
        thread = try RootStub.seize(
            started.pid, layout: layout, vdso: vdso, inheritance: birth.inheritance, lender: lender.number)
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

enum MountShape {
    /// All that has to come back of a table: without numbers, which differ, but with which are equal.
    static func of(_ rows: [MountRow]) -> [String] {
        var numbers: [String: Int] = [:]
        func same(_ kind: String, _ value: String) -> String {
            let key = kind + value
            if numbers[key] == nil { numbers[key] = numbers.count }
            return "\(kind)\(numbers[key] ?? 0)"
        }
        let points = Dictionary(rows.map { ($0.id, $0.mountPoint) }, uniquingKeysWith: { first, _ in first })
        let sorted = rows.sorted { a, b in
            (a.mountPoint, a.fileSystem, a.source, a.root) < (b.mountPoint, b.fileSystem, b.source, b.root)
        }
        return sorted.map { row in
            var words = [row.mountPoint, "on", points[row.parent] ?? "-", row.fileSystem, row.source]
            words.append(row.mountPoint == "/" || row.mountPoint == "/data" ? "outside" : row.root)
            words += row.options + row.fileSystemOptions + [same("device", "\(row.device)")]
            if row.peerGroup != 0 { words.append(same("group", "\(row.peerGroup)")) }
            if row.masterGroup != 0 { words.append("master " + same("group", "\(row.masterGroup)")) }
            if row.isUnbindable { words.append("unbindable") }
            return words.joined(separator: " ")
        }
    }
}
