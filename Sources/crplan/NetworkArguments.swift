import ArgumentParser
import CREngine

/// What criu's command line says of network namespaces, of a dump and of a restore.
struct NetworkArguments: ParsableArguments {
    @Option(
        name: .customLong("veth-pair"),
        help: "IN=OUT[@BRIDGE], the outer end that is made for a pair; may be given again.")
    var vethPairs: [String] = []
    @Option(
        name: .customLong("empty-ns"),
        help: "net: the network namespace is made empty, and an action script sets it up.")
    var emptyNamespaces: [String] = []

    var emptiesNetwork: Bool { !emptyNamespaces.isEmpty }

    func validate() throws {
        for text in vethPairs {
            guard let why = NetworkOutside.refusal(ofPair: text) else { continue }
            throw ValidationError("--veth-pair \(text) \(why)")
        }
        for text in emptyNamespaces where text != "net" {
            throw ValidationError("--empty-ns takes net, not \(text)")
        }
    }
}
