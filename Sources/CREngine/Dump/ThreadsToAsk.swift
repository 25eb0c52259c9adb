/// Which threads of a process must say themselves what only they know.
struct ThreadsToAsk {
    /// In their order, the first thread always.
    private(set) var threads: [FrozenThread] = []
    /// The kernel's notes tell all of these but what is the same for all with their credentials: securebits, and whether a
    /// Landlock domain confines them. Each with a thread that is asked and has the same.
    private(set) var others: [(thread: FrozenThread, likeness: TID)] = []

    init(_ all: [FrozenThread], _ notes: [TID: ThreadNote]) {
        var known: [UInt64: TID] = [:]
        for thread in all {
            if let note = notes[thread.tid], !note.hasMemoryPolicy, let likeness = known[note.credentials] {
                others.append((thread, likeness))
                continue
            }
            threads.append(thread)
            if let note = notes[thread.tid] { known[note.credentials] = thread.tid }
        }
    }
}
