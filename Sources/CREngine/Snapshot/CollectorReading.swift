import CPlatform

/// How the collector reads single facts of a task.
extension Collector {
    /// Why one task could not be looked at.
    enum TaskLookError: Error {
        case vanished
        case format(ProcFormatError)
        case denied(String, Errno)
    }

    static func directory(of pid: PID) throws(TaskLookError) -> ProcDirectory {
        do throws(Errno) {
            return try ProcDirectory.open("/proc/\(pid)")
        } catch {
            throw lookError("", error)
        }
    }

    static func directory(
        _ name: String, _ parent: borrowing ProcDirectory
    ) throws(TaskLookError) -> ProcDirectory {
        do throws(Errno) {
            return try parent.directory(name)
        } catch {
            throw lookError(name, error)
        }
    }

    static func numbers(
        _ name: String, _ directory: borrowing ProcDirectory
    ) throws(TaskLookError) -> [Int32] {
        do throws(Errno) {
            return try directory.numbers(name)
        } catch {
            throw lookError(name, error)
        }
    }

    /// Children of all threads of a process.
    static func children(_ directory: borrowing ProcDirectory) throws(TaskLookError) -> [PID] {
        let tasks = try Self.directory("task", directory)
        var found: [PID] = []
        for id in try numbers(".", tasks) {
            for word in try bytes("\(id)/children", tasks)[...].words {
                if let number = word.decimal { found.append(PID(Int32(truncatingIfNeeded: number))) }
            }
        }
        return found
    }

    static func text(_ name: String, _ directory: borrowing ProcDirectory) -> String? {
        (try? directory.read(name)).map(line)
    }

    static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.last == 0x0a ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }

    static func lines(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBufferPointer { $0.reduce(0) { $1 == 0x0a ? $0 + 1 : $0 } }
    }

    static func bytes(
        _ name: String, _ directory: borrowing ProcDirectory
    ) throws(TaskLookError) -> [UInt8] {
        do throws(Errno) {
            return try directory.read(name)
        } catch {
            throw lookError(name, error)
        }
    }

    static func parse<Value>(
        _ name: String, _ directory: borrowing ProcDirectory,
        _ parser: ([UInt8]) throws(ProcFormatError) -> Value
    ) throws(TaskLookError) -> Value {
        let bytes = try bytes(name, directory)
        do throws(ProcFormatError) {
            return try parser(bytes)
        } catch {
            // A task that ends while it is read leaves files empty.
            if bytes.isEmpty { throw .vanished }
            throw .format(error)
        }
    }

    static func lookError(_ what: String, _ errno: Errno) -> TaskLookError {
        errno == .noEntry || errno == .noProcess ? .vanished : .denied(what, errno)
    }

    static func namespaces(_ directory: borrowing ProcDirectory) -> Namespaces {
        func number(_ name: StaticString) -> UInt64 { ((try? directory.number(inLink: name)) ?? nil) ?? 0 }
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
