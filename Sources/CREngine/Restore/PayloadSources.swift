/// Where contents of memory come from.
protocol PageSource {
    /// Hands the stored pages of a map to `body`, in order and in pieces: their address and their bytes.
    func forEachRun(
        of pagemap: PagemapImage, named name: String,
        _ body: (UInt64, UnsafeRawBufferPointer) throws(RestoreError) -> Void
    ) throws(RestoreError)
}

/// Where contents of deleted files come from.
protocol GhostSource {
    /// Writes the whole content, holes kept, into an empty file.
    func write(_ ghost: GhostImage, to path: String) throws(RestoreError)
}
