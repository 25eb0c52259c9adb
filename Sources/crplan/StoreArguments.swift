import ArgumentParser
import CREngine
import FoundationEssentials

/// Which store a command looks at.
struct StoreArguments: ParsableArguments {
    @Option(name: .customLong("store"), help: "Directory of the checkpoints.", completion: .directory)
    var path = Store.defaultPath

    /// With an absolute path, so that what is printed holds elsewhere too.
    var store: Store {
        if path.hasPrefix("/") { return Store(path: path) }
        let here = FileManager.default.currentDirectoryPath
        return Store(path: here == "/" ? "/" + path : here + "/" + path)
    }

    /// The checkpoint that a person means, or one line on standard error and exit 1.
    func resolve(_ reference: String) throws -> Checkpoint {
        try orFail { () throws(StoreError) in try store.resolve(reference) }
    }
}

/// A value, or why it cannot be had as one line on standard error and exit 1.
func orFail<Value: ~Copyable, Failure: Error>(_ body: () throws(Failure) -> Value) throws -> Value {
    do throws(Failure) {
        return try body()
    } catch {
        printError("crplan: \(error)")
        throw ExitStatus.failed.exit
    }
}
