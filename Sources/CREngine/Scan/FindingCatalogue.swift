extension FindingCode {
    /// The catalogue: what is the same for all findings of a code, a file for each hundred.
    package var entry: Entry {
        let row =
            fileEntry ?? socketEntry ?? namespaceEntry ?? networkEntry ?? mountEntry ?? sessionEntry
            ?? memoryEntry ?? taskEntry ?? policyEntry
        guard let row else { preconditionFailure("\(rawValue) is not in the catalogue") }
        return row
    }
}
