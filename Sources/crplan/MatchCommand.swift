import ArgumentParser
import CREngine
import PolicyModel

/// Which processes a policy selects, and which it comes near to.
struct MatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "match",
        abstract: "Tells which processes a policy selects, and what keeps the others out.",
        discussion: """
            A near miss meets at least one key of an entry of 'select' and not all. Exits 6 when nothing matches and \
            the policy says 'on-no-match: fail'.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @OptionGroup var policies: PolicyArguments
    @Option(help: "text or json.") var format = Format.text
    @Option(help: "Near misses to tell, at most.") var near = 20

    func validate() throws {
        if near < 0 { throw ValidationError("--near is a number of processes, 0 or more") }
    }

    func run() throws {
        let policies = try policies.load()
        try demand(Capabilities.toScan, to: "look at processes of others")
        var document = MatchDocument(policies: [])
        for policy in policies {
            do throws(CollectorError) {
                document.policies.append(try MatchReport(policy, nearest: near))
            } catch {
                printError("crplan: \(error)")
                throw ExitStatus.failed.exit
            }
        }
        switch format {
        case .text:
            let text = MatchText(terminal: .output)
            print(document.policies.map(text.render).joined(separator: "\n\n"))
        case .json: print(try document.json(), terminator: "")
        }
        let isMissed = zip(policies, document.policies).contains {
            $1.matches.isEmpty && $0.onNoMatch == .fail
        }
        if isMissed { throw ExitStatus.nothingMatched.exit }
    }
}
