import Glibc
import Testing

@testable import CREngine

/// A network namespace of a test, gone with this value, and commands in it.
struct TestNamespace: ~Copyable {
    let descriptor: OwnedFD

    init() throws { descriptor = try NetworkNamespace.make() }

    init(settingUp script: String) throws {
        let made = try NetworkNamespace.make()
        try Self.run(script, in: made.rawValue)
        descriptor = made
    }

    /// Runs a script of sh(1) inside; its output. A command that fails ends it, and throws.
    @discardableResult
    borrowing func run(_ script: String) throws -> String { try Self.run(script, in: descriptor.rawValue) }

    @discardableResult
    private static func run(_ script: String, in descriptor: Int32) throws -> String {
        try NetworkNamespace.visit(descriptor) { () throws(NetworkError) -> String in
            var output = ""
            let program = CalledProgram(words: ["/bin/sh", "-e", "-c", script])
            let end = program.run(until: .after(milliseconds: 60_000), stop: .never) { output += "\($0)\n" }
            guard end == .exited(0) else { throw NetworkError("script", "\(end): \(output)") }
            return output
        }
    }

    borrowing func image(
        number: UInt32 = 9, neighbours: [NetworkReader.Neighbour] = []
    ) throws -> NetworkNamespaceImage {
        try NetworkReader(namespace: number, neighbours: neighbours).read(descriptor.rawValue)
    }

    /// Makes a namespace of an image, with this one as the place that restores it.
    borrowing func restore(
        _ image: NetworkNamespaceImage, outside: NetworkOutside = NetworkOutside(namespace: 9),
        others: [UInt32: NetworkOutside.OtherNamespace] = [:], into target: borrowing TestNamespace
    ) throws -> [NetworkOutside.OuterEnd] {
        let fd = target.descriptor.rawValue
        return try NetworkNamespace.visit(descriptor.rawValue) {
            () throws(NetworkError) -> [NetworkOutside.OuterEnd] in
            let builder = try NetworkBuilder(image, outside, runID: Self.runID, descriptor: fd)
            try builder.build(others: others)
            try builder.connect()
            try builder.release()
            return builder.ends
        }
    }

    /// A refusal of port 9 (discard) is an answer; a wall gives none.
    borrowing func reaches(_ address: String, within seconds: Int) throws -> Bool {
        let attempt = "timeout 1 bash -c '</dev/tcp/\(address)/9' 2>&1 | grep -q refused"
        return (try? run("for i in $(seq \(seconds)); do if \(attempt); then exit 0; fi; done; exit 1"))
            != nil
    }

    /// Links that are up have their carriers, and no address is in doubt any more.
    static let untilSettled = """
        timeout 30 sh -c 'while ip -br link | grep -q NO-CARRIER || ip addr | grep -q tentative; do sleep 0.1; done'
        """

    static let runID = "e8bf4ab8-6553-4afc-b67d-000000000001"
}

extension NetworkNamespaceImage {
    /// Without what is of the moment: carriers, time stamps, times that run.
    var lasting: NetworkNamespaceImage {
        var image = self
        for place in links.indices {
            image.links[place].flags &= NetworkLink.Flag.up | NetworkLink.Flag.settable
            // Numbers outside are others.
            if links[place].peerNamespace == nil { image.links[place].peerIndex = nil }
        }
        let cacheInformation = 6 as UInt16
        image.addresses = addresses.map { address in
            let attributes = address.attributes(after: 8).filter { $0.type != cacheInformation }
            return NetlinkMessage(
                type: address.type, body: Array(address.body.prefix(8)) + attributes.flatMap(\.bytes))
        }
        // In which order links get ready is not decided.
        image.addresses.sort { $0.body.lexicographicallyPrecedes($1.body) }
        image.routes6.sort { $0.body.lexicographicallyPrecedes($1.body) }
        image.tracked = []
        // The state that a link is in follows within a second of what it is made of.
        let (linkHead, state) = (RouteNetlink.Head.link, 16 as UInt16)
        image.details.links = details.links.map { link in
            let attributes = link.attributes(after: linkHead).filter { $0.type != state }
            return NetlinkMessage(
                type: link.type, body: Array(link.body.prefix(linkHead)) + attributes.flatMap(\.bytes))
        }
        return image
    }
}
