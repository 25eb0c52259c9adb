/// Numbers for the kernel objects that tasks share, as `ids-PID.img` has them: 1 is the dumping process's own.
struct KernelObjectNumbers {
    private var vm: [PID: UInt32] = [:]
    private var files: [PID: UInt32] = [:]
    private var fs: [PID: UInt32] = [:]
    private var sighand: [PID: UInt32] = [:]

    init() {}

    /// The ids of one task. Namespaces are those of the dumping process: trees in others are not carried yet, and a time
    /// namespace is made anew at every restore.
    mutating func ids(of task: TaskFacts) -> KernelObjectIDs {
        var ids = KernelObjectIDs()
        ids.vm = Self.number(task.sharing.memory, &vm)
        ids.files = Self.number(task.sharing.files, &files)
        ids.fs = Self.number(task.sharing.fileSystem, &fs)
        ids.sighand = Self.number(task.sharing.signalHandlers, &sighand)
        return ids
    }

    private static func number(_ representative: PID, _ known: inout [PID: UInt32]) -> UInt32 {
        if let number = known[representative] { return number }
        let number = UInt32(known.count + 2)
        known[representative] = number
        return number
    }
}
