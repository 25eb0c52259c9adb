import PolicyModel
import Testing

@Suite struct GlobTests {
    @Test(arguments: [
        ("/opt/*/solver", "/opt/a/solver", true), ("/opt/*/solver", "/opt/a/b/solver", false),
        ("/opt/**/solver", "/opt/a/b/solver", true), ("/opt/**", "/opt/", true), ("/opt/*", "/opt/", true),
        ("/opt/*", "/opt", false), ("**/solver", "/solver", true), ("**solver", "/x/y/solver", true),
        ("sol?er", "solver", true), ("sol?er", "sol/er", false), ("[a-c]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[!a-c]x", "dx", true), ("[^a-c]x", "ax", false), ("[]]", "]", true), ("[!]]", "]", false),
        ("a[!b]c", "a/c", false), ("[a-]", "-", true), ("\\*", "*", true), ("\\*", "a", false),
        ("[\\]]", "]", true), ("[ -~]", "~", true), ("[A-z]", "A", true), ("[A-z]", "z", true),
        ("[A-z]", "@", false),
        ("[?-A]", "?", true), ("[?-A]", "B", false), ("[\u{1}-\u{7f}]", "m", true),
        ("", "", true), ("", "a", false), ("*", "", true), ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("*\u{e9}*", "caf\u{e9}s", true), ("a", "ab", false), ("ab", "a", false),
    ])
    func `a glob matches as a shell's would, and stars keep to their directory`(
        pattern: String, subject: String, matches: Bool
    ) throws {
        let glob = try #require(Glob(pattern))
        #expect(glob.matches(subject) == matches)
    }

    @Test(arguments: ["[", "[a", "[]", "[!]", "a\\", "[z-a]", "[\\"])
    func `a broken glob is none`(pattern: String) {
        #expect(Glob(pattern) == nil)
    }

    @Test func `a hopeless glob takes no longer than subject times pattern`() throws {
        let glob = try #require(Glob(String(repeating: "*a", count: 60) + "b"))
        let subject = String(repeating: "a", count: 4000)
        let time = ContinuousClock().measure { #expect(!glob.matches(subject)) }
        #expect(time < .seconds(5))
    }

    @Test func `a glob without signs tells the one subject that it stands for`() {
        #expect(Glob("/opt/a\\*")?.literal == "/opt/a*")
        #expect(Glob("/opt/*")?.literal == nil)
    }

    @Test(arguments: ["", "*", "**", "a*", "*/b", "**/b*", "[a-c]?*", "a**/*b", "*a*b*", "**a*/b**"])
    func `a pattern of many signs matches as the same one with few`(tail: String) throws {
        let head = String(repeating: "x", count: 80)
        let (short, long) = (try #require(Glob(tail)), try #require(Glob(head + tail)))
        for subject in ["", "a", "b", "/b", "a/b", "ab", "a/c/b", "cab", "a/", "ba/ab", "xa/bb/"] {
            #expect(long.matches(head + subject) == short.matches(subject), "\(tail) on \(subject)")
        }
    }
}
