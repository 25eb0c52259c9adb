import ArgumentParser
import PolicyModel

/// The form of policy files, for editors and checkers.
struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Prints the JSON Schema of policy files.",
        discussion:
            "It says the form of each value; `crplan validate` checks what a schema cannot say as well.")

    func run() throws { print(try PolicySchema.json(), terminator: "") }
}
