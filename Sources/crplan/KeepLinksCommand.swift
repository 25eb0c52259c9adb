import ArgumentParser
import CREngine

/// The process that gives links back which a restore was handed and that did not come to its end. Descriptors: 3 the tree's
/// network namespace, 4 that of the restore, 5 the word that all is well, 6 ready pipe.
struct KeepLinksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "keep-links", shouldDisplay: false)

    /// Each is its number inside, that outside, and its name outside.
    @Argument var links: [String]

    func run() throws { try LinkKeeper.keep(links.compactMap { LinkKeeper.Link(word: $0) }) }
}
