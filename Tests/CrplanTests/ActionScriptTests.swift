import CREngine
import Foundation
import Glibc
import TestSupport
import Testing

/// `--action-script` of dump and restore beside a stock criu: the same script sees the same.
@Suite(
    .serialized,
    .enabled(if: BuiltPrograms.canCheckpoint, "needs root, and a crplan that has dump and restore"))
struct ActionScriptTests {
    /// What a script sees at each call; the root's pid is `ROOT`, directories are told by their name.
    private static let expected = [
        "dump -R": [
            "second pre-dump", "pre-dump ROOT S images work 0", "second post-dump",
            "post-dump ROOT t images work 0",
        ],
        "dump": [
            "second pre-dump", "pre-dump ROOT S images work 0", "second post-dump",
            "post-dump ROOT t images work 0",
        ],
        "restore": [
            "second pre-restore", "pre-restore unset - images work 0", "second post-restore",
            "post-restore ROOT held images work 0", "second pre-resume", "pre-resume ROOT held images work 0",
            "second post-resume", "post-resume ROOT S images work 0",
        ],
    ]

    private func calls(of tool: String) throws -> [String: [String]] {
        var group = try SubjectGroup()
        try group.start("plain")
        try #require(group.laggards() == [])
        let root = group.members[0].root
        let tree = processTree(of: root)
        let directory = group.directory
        mkdir(directory + "/work", 0o700)
        // Criu's directory of images is closed at the last stage, and its stub not traced yet when all is restored.
        try write(
            """
            #!/bin/bash
            state=$(sed 's/.*) //' /proc/\(root)/stat 2>/dev/null | cut -d' ' -f1)
            case $CRTOOLS_SCRIPT_ACTION in
                post-restore | pre-resume) state=held ;;
                post-resume) images=images ;;
                pre-restore) state=- ;;
            esac
            : ${images:=$(basename $(readlink $CRTOOLS_IMAGE_DIR) | sed 's/-.*//')}
            init=${CRTOOLS_INIT_PID-unset}
            echo $CRTOOLS_SCRIPT_ACTION ${init/\(root)/ROOT} ${state/R/S} $images $(basename $PWD) $# >>\(directory)/calls
            """, to: directory + "/script", mode: 0o755)
        try write(
            "#!/bin/sh\necho second $CRTOOLS_SCRIPT_ACTION >>\(directory)/calls\n", to: directory + "/second",
            mode: 0o755)
        var found: [String: [String]] = [:]
        let scripts = ["--action-script", "../script", "--action-script", "\(directory)/second"]
        func run(_ words: [String], _ name: String) throws {
            let all = [tool] + words + ["-W", directory + "/work", "-o", "log", "-v4"] + scripts
            let done = try Command.run(all)
            #expect(
                done.ending == .exit(0), "\(name): \(done.output)\(text(of: directory + "/work/log") ?? "")")
            found[name] = (text(of: directory + "/calls") ?? "").split(separator: "\n").map(String.init)
            unlink(directory + "/calls")
        }
        for (index, words) in [["-R"], []].enumerated() {
            let images = "\(directory)/images-\(index)"
            mkdir(images, 0o700)
            try run(
                ["dump", "-t", "\(root)", "-D", images] + words, (["dump"] + words).joined(separator: " "))
        }
        #expect(reap(tree, until: now() + 10))
        try run(["restore", "-d", "-D", directory + "/images-1"], "restore")
        #expect(group.verdicts() == [])
        return found
    }

    @Test func `a script is called at criu's stages with criu's environment`() throws {
        #expect(try calls(of: BuiltPrograms.crplan) == Self.expected)
    }

    @Test(
        .enabled(if: getenv("CRPLAN_CRIU") != nil, "CRPLAN_CRIU names no criu"))
    func `a stock criu calls the same script the same way`() throws {
        let criu = try #require(getenv("CRPLAN_CRIU").map { String(cString: $0) })
        #expect(try calls(of: criu) == Self.expected)
    }

    @Test(arguments: ["pre-dump", "post-dump"])
    func `a script that fails at a dump fails it, and the tree runs on`(_ stage: String) throws {
        var group = try SubjectGroup()
        try group.start("plain")
        try #require(group.laggards() == [])
        mkdir(group.directory + "/images", 0o700)
        let dump = try Command.run([
            BuiltPrograms.crplan, "dump", "-t", "\(group.members[0].root)", "-D", group.directory + "/images",
            "--action-script", "[ $CRTOOLS_SCRIPT_ACTION != \(stage) ]",
        ])
        #expect(dump.ending == .exit(1), "\(dump.output)")
        #expect(dump.output.contains("at \(stage) ended with exit 1"))
        #expect(group.verdicts() == [])
    }

    @Test func `a script that fails at a restore fails it before the tree runs, and is told afterwards`()
        throws
    {
        var group = try SubjectGroup()
        try group.start("plain")
        try #require(group.laggards() == [])
        let tree = processTree(of: group.members[0].root)
        let images = group.directory + "/images"
        mkdir(images, 0o700)
        let dump = try Command.run([
            BuiltPrograms.crplan, "dump", "-t", "\(tree[0])", "-D", images,
        ])
        #expect(dump.ending == .exit(0), "\(dump.output)")
        #expect(reap(tree, until: now() + 10))
        for (stage, ending) in [
            ("pre-restore", Ending.exit(1)), ("post-restore", .exit(1)), ("post-resume", .exit(0)),
        ] {
            let restore = try Command.run([
                BuiltPrograms.crplan, "restore", "-d", "-D", images, "--action-script",
                "[ $CRTOOLS_SCRIPT_ACTION != \(stage) ]",
            ])
            #expect(restore.ending == ending, "\(stage): \(restore.output)")
            let words = restore.output.replacingOccurrences(of: "\(stage):", with: stage)
            #expect(words.contains("at \(stage) ended with exit 1"), "\(restore.output)")
            if ending == .exit(0) {
                #expect(!statFields("/proc/\(tree[0])/stat").isEmpty)
            } else {
                #expect(reap(tree, until: now() + 10), "\(stage): something of the tree is left")
            }
        }
        #expect(group.verdicts() == [])
    }
}
