import ArgumentParser
import CREngine
import PolicyModel

/// What a policy would have to allow.
struct SuggestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suggest",
        abstract: "Prints the least that has to be allowed, as YAML for a policy. Changes nothing.",
        discussion: """
            For a policy what it has to allow more than it does, for a process number all that its tree needs. Each rule says \
            what it is for, and before which rule it has to stand. Exits 3 when something blocks that no allowance \
            lets pass.
            """)

    @Argument(
        help: "A process number, or a policy file.", completion: .file(extensions: ["yaml", "yml"]))
    var subject: String

    func run() throws {
        if let number = Int32(subject), number > 0 {
            try demand(Capabilities.toScan, to: "look at processes of others")
            let suggestion = try orFail { () throws(PlanError) in
                try PlanMaker(host: .collect()).suggest(root: PID(number))
            }
            print(SuggestText.render(suggestion, subject: "pid \(number)", trees: 1))
            if !suggestion.remaining.isEmpty { throw ExitStatus.blocked.exit }
            return
        }
        let policies = try PolicyArguments.parse([subject]).load()
        try demand(Capabilities.toScan, to: "look at processes of others")
        var isReady = true
        for (place, policy) in policies.enumerated() {
            if place > 0 { print("---") }
            let (suggestion, trees) = try orFail { () throws(PlanError) in
                try PlanMaker(host: .collect()).suggest(policy)
            }
            print(SuggestText.render(suggestion, subject: "policy \(policy.name)", trees: trees))
            if !suggestion.remaining.isEmpty { isReady = false }
        }
        if !isReady { throw ExitStatus.blocked.exit }
    }
}
