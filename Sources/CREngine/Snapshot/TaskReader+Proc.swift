import CPlatform

/// How single facts of a task are read.
extension TaskReader {
    static func directory(of pid: PID) throws(TaskReadError) -> ProcDirectory {
        do throws(Errno) {
            return try ProcDirectory.open("/proc/\(pid)")
        } catch {
            throw readError("", error)
        }
    }

    static func directory(
        _ name: String, _ parent: borrowing ProcDirectory
    ) throws(TaskReadError) -> ProcDirectory {
        do throws(Errno) {
            return try parent.directory(name)
        } catch {
            throw readError(name, error)
        }
    }

    static func numbers(
        _ name: String, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) -> [Int32] {
        do throws(Errno) {
            return try directory.numbers(name)
        } catch {
            throw readError(name, error)
        }
    }

    /// Children of all threads of a process.
    static func children(_ directory: borrowing ProcDirectory) throws(TaskReadError) -> [PID] {
        let tasks = try Self.directory("task", directory)
        var found: [PID] = []
        for id in try numbers(".", tasks) { found += try children("\(id)/children", tasks) }
        return found
    }

    /// Children of one thread.
    static func children(
        _ name: String, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) -> [PID] {
        try bytes(name, directory)[...].words.compactMap { word in
            word.decimal.map { PID(Int32(truncatingIfNeeded: $0)) }
        }
    }

    static func text(_ name: String, _ directory: borrowing ProcDirectory) -> String? {
        (try? directory.readRecord(name)).map(line)
    }

    /// /proc/PID/attr/current; nil where no security module answers. See apparmor(7).
    static func label(_ directory: borrowing ProcDirectory) -> String? {
        guard let text = text("attr/current", directory) else { return nil }
        let label = String(text.prefix { $0 != "\0" })
        return label.isEmpty ? nil : label
    }

    static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.last == 0x0a ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }

    static func bytes(
        _ name: String, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) -> [UInt8] {
        do throws(Errno) {
            return try directory.read(name)
        } catch {
            throw readError(name, error)
        }
    }

    /// The rows of maps or smaps, which can be much longer than they are worth; nil where the file has more bytes than
    /// that.
    static func areas(
        _ name: String, _ directory: borrowing ProcDirectory, limit: Int
    ) throws(TaskReadError) -> [AreaRow]? {
        var parser = AreaListParser()
        var malformed: ProcFormatError?
        let isWhole: Bool
        do throws(Errno) {
            isWhole = try directory.read(name, limit: limit) { bytes in
                do throws(ProcFormatError) {
                    try parser.take(bytes)
                } catch {
                    malformed = error
                }
                return malformed == nil
            }
        } catch {
            throw readError(name, error)
        }
        do throws(ProcFormatError) {
            if let malformed { throw malformed }
            return isWhole ? try parser.finish() : nil
        } catch {
            throw .format(error)
        }
    }

    /// The whole of a file that the kernel makes in one piece.
    static func record(
        _ name: String, _ directory: borrowing ProcDirectory
    ) throws(TaskReadError) -> [UInt8] {
        do throws(Errno) {
            return try directory.readRecord(name)
        } catch {
            throw readError(name, error)
        }
    }

    /// A file that the kernel makes in one piece, understood.
    static func parse<Value>(
        _ name: String, _ directory: borrowing ProcDirectory,
        _ parser: ([UInt8]) throws(ProcFormatError) -> Value
    ) throws(TaskReadError) -> Value {
        try parse(try record(name, directory), parser)
    }

    static func parse<Value>(
        _ bytes: [UInt8], _ parser: ([UInt8]) throws(ProcFormatError) -> Value
    ) throws(TaskReadError) -> Value {
        do throws(ProcFormatError) {
            return try parser(bytes)
        } catch {
            // A task that ends while it is read leaves files empty.
            if bytes.isEmpty { throw .vanished }
            throw .format(error)
        }
    }

    static func readError(_ what: String, _ errno: Errno) -> TaskReadError {
        errno == .noEntry || errno == .noProcess ? .vanished : .denied(what, errno)
    }

    /// Those of a thread. Threads of one process are always in the same user, pid and time namespaces (clone(2), setns(2) and
    /// unshare(2) refuse otherwise), and in the same mount namespace as long as they share root and directory.
    static func namespaces(
        _ directory: borrowing ProcDirectory, ofThreadOf leader: Namespaces, sharesFileSystem: Bool
    ) -> Namespaces {
        var all = leader
        all.cgroup = namespace("ns/cgroup", directory)
        all.ipc = namespace("ns/ipc", directory)
        if !sharesFileSystem { all.mount = namespace("ns/mnt", directory) }
        all.net = namespace("ns/net", directory)
        all.pidForChildren = namespace("ns/pid_for_children", directory)
        all.timeForChildren = namespace("ns/time_for_children", directory)
        all.uts = namespace("ns/uts", directory)
        return all
    }

    private static func namespace(_ name: StaticString, _ directory: borrowing ProcDirectory) -> UInt64 {
        ((try? directory.number(inLink: name)) ?? nil) ?? 0
    }

    static func namespaces(_ directory: borrowing ProcDirectory) -> Namespaces {
        func number(_ name: StaticString) -> UInt64 { namespace(name, directory) }
        var all = Namespaces()
        all.cgroup = number("ns/cgroup")
        all.ipc = number("ns/ipc")
        all.mount = number("ns/mnt")
        all.net = number("ns/net")
        all.pid = number("ns/pid")
        all.pidForChildren = number("ns/pid_for_children")
        all.time = number("ns/time")
        all.timeForChildren = number("ns/time_for_children")
        all.user = number("ns/user")
        all.uts = number("ns/uts")
        return all
    }

    static func isSame(_ kind: Kcmp.Kind, _ a: PID, _ b: PID) -> Bool {
        guard let order = try? Kcmp.compare(kind, a, b) else { return false }
        return order == .same
    }

    /// sched_getaffinity(2) for up to 8192 CPUs.
    static func affinity(_ tid: TID) -> [UInt64] {
        var words = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 128) { buffer -> [UInt64] in
            let size = buffer.count * 8
            let count =
                (try? systemCall(
                    CP_SYS_sched_getaffinity, Int(tid.rawValue), size, Int(bitPattern: buffer.baseAddress)))
                ?? 0
            return Array(buffer[..<((count + 7) / 8)])
        }
        while words.count > 1, words.last == 0 { words.removeLast() }
        return words
    }
}
