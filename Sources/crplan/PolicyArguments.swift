import ArgumentParser
import CREngine
import PolicyModel

/// Policy files as arguments of a command.
struct PolicyArguments: ParsableArguments {
    @Argument(
        help: "Policy files, or directories of them.", completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    /// The policies, or every fault of every file on standard error and exit 78.
    func load() throws -> [Policy] {
        do throws(PolicyError) {
            return try PolicyLoader().load(paths: files)
        } catch {
            printError(error.render(colour: Terminal.errors.usesColour))
            throw ExitStatus.invalidPolicy.exit
        }
    }
}

/// Refuses to go on without privileges that the work needs: exit 77 with their names.
func demand(_ capabilities: [String], to purpose: String) throws {
    let missing = try Capabilities.ofThisProcess().missing(of: capabilities)
    if missing.isEmpty { return }
    printError(
        "crplan: \(missing.joined(separator: ", ")) missing to \(purpose); run it as root, or give it the "
            + (missing.count == 1 ? "capability" : "capabilities"))
    throw ExitStatus.missingPrivilege.exit
}
