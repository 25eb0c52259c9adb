import ArgumentParser
import CREngine

/// The process that keeps watch over what a tree writes between two dumps. Its arguments are the tree's root, and the
/// descriptor that tells of it.
struct HoldWritesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "hold-writes", shouldDisplay: false)

    @Argument var root: Int32
    @Argument var descriptor: Int32

    func run() throws { try WriteHolder.hold(root: PID(root), descriptor) }
}
