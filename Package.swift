// swift-tools-version: 6.3
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .treatAllWarnings(as: .error),
    .unsafeFlags(["-Xcc", "-D_GNU_SOURCE"]),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    // A debug build can be stopped at each step of the tracer; a release build has no such code.
    .define("FAULT_POINTS", .when(configuration: .debug)),
]
// The runner looks at a tree thousands of times in some tests; without optimisation that look is most of their time.
let strictAndFast = strict + [.unsafeFlags(["-O"])]
let strictC: [CSetting] = [
    .define("_GNU_SOURCE"), .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
]

// As FAULT_POINTS of the Swift code: calls that can be told to fail.
let strictEngineC = strictC + [.define("FAULT_POINTS", .when(configuration: .debug))]

let package = Package(
    name: "crplan",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2")
    ],
    targets: [
        .target(
            name: "CPlatform", cSettings: strictEngineC,
            linkerSettings: [
                .linkedLibrary("yaml"), .linkedLibrary("cap"), .linkedLibrary("protobuf-c"),
                .linkedLibrary("crypto"), .linkedLibrary("nftables"), .linkedLibrary("xxhash"),
            ]),
        .target(name: "PolicyModel", dependencies: ["CPlatform"], swiftSettings: strict),
        .target(name: "CREngine", dependencies: ["CPlatform", "PolicyModel"], swiftSettings: strict),
        .executableTarget(
            name: "crplan",
            dependencies: [
                "CPlatform", "CREngine", "PolicyModel",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        // Programs that set up kernel state, are checkpointed and restored, and then check themselves.
        .executableTarget(
            name: "subject", path: "Tests/Subjects", cSettings: strictC,
            linkerSettings: [.linkedLibrary("pthread")]),
        // The child subreaper that runs one subject through one script of dumps and restores.
        .executableTarget(
            name: "subject-runner", dependencies: ["CPlatform", "CREngine", "PolicyModel", "TestSupport"],
            path: "Tests/SubjectRunner",
            swiftSettings: strictAndFast),
        // Starting, watching and ending processes, for the runner and for the tests that drive the command line.
        .target(
            name: "TestSupport", dependencies: ["CREngine", "CPlatform"], path: "Tests/TestSupport",
            swiftSettings: strictAndFast),
        // Damaged policy files by the million.
        .executableTarget(
            name: "loader-fuzzer", dependencies: ["PolicyModel"], path: "Tests/LoaderFuzzer",
            swiftSettings: strict),
        .testTarget(
            name: "PolicyModelTests", dependencies: ["PolicyModel"], swiftSettings: strict),
        .testTarget(
            name: "CREngineTests", dependencies: ["CREngine"], exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "CrplanTests",
            dependencies: [
                "crplan", "subject", "subject-runner", "loader-fuzzer", "TestSupport", "CPlatform",
                "CREngine", "PolicyModel",
            ],
            swiftSettings: strict),
    ]
)
