/// What can be wrong with a policy that is good YAML.
extension Diagnostic {
    static func unknownKey(
        _ key: String, in section: String, nearest: String?, known: [String], _ location: Location
    ) -> Diagnostic {
        let names = nearest == nil ? "; it has " + known.joined(separator: ", ") : ""
        return Diagnostic(location, "\(section) has no key '\(key)'\(names)", suggestion: nearest)
    }

    static func missingKey(_ key: String, in section: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "\(section) needs the key '\(key)'")
    }

    static func noValue(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' has no value; give it one, or remove the key to have the default")
    }

    static func wrongType(
        _ keyPath: String, expected: String, found: String, _ location: Location
    ) -> Diagnostic {
        let subject = keyPath.isEmpty ? "a policy" : "'\(keyPath)'"
        return Diagnostic(location, "\(subject) is \(expected), not \(found)")
    }

    /// A list with one element was written without its dash.
    static func notAList(_ keyPath: String, of elements: String, found: String, _ location: Location)
        -> Diagnostic
    {
        Diagnostic(
            location, "'\(keyPath)' is a list of \(elements), not \(found); put '- ' before each element")
    }

    static func guessedType(_ keyPath: String, _ text: String, guess: String, _ location: Location)
        -> Diagnostic
    {
        Diagnostic(
            location,
            "'\(keyPath)' is text, and YAML takes \(text) for \(guess); write \(YAMLNode.quoted(text))")
    }

    static func zeroByte(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' holds a zero byte, which no name has; remove it")
    }

    static func notABoolean(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' is true or false, without quotes, not \(text)", suggestion: truth(text))
    }

    static func notABooleanOrRules(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' is true, false or a list of rules, not \(text)", suggestion: truth(text))
    }

    private static func truth(_ text: String) -> String? {
        switch text.lowercased() {
        case "yes", "y", "on", "true", "\"true\"": "true"
        case "no", "n", "off", "false", "\"false\"": "false"
        default: nil
        }
    }

    static func notANumber(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        let stripped = text.drop { $0 == "0" }
        let meant =
            !stripped.isEmpty && stripped.allSatisfy { $0.isASCII && $0.isNumber } ? String(stripped) : nil
        return Diagnostic(
            location, "'\(keyPath)' is a whole decimal number without quotes and leading zeros, not \(text)",
            suggestion: meant)
    }

    static func outOfRange(
        _ keyPath: String, _ text: String, _ range: ClosedRange<Int>, _ location: Location
    ) -> Diagnostic {
        let limits =
            range.upperBound == Int.max
            ? "at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
        return Diagnostic(location, "'\(keyPath)' is \(limits), not \(text)")
    }

    static func notAChoice(_ keyPath: String, _ text: String, _ choices: [String], _ location: Location)
        -> Diagnostic
    {
        Diagnostic(
            location, "'\(keyPath)' is \(alternatives(choices)), not \(text)",
            suggestion: Nearest.word(to: text, in: choices).map { "'\($0)'" })
    }

    static func notADuration(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' is a duration with its unit, like 500ms, 30s, 10m, 6h or 7d, not \(text)",
            suggestion: unitMeant(text, DurationUnit.spellings))
    }

    static func durationOutOfRange(
        _ keyPath: String, _ text: String, least: String?, _ location: Location
    ) -> Diagnostic {
        let limit = least.map { "is at least \($0)" } ?? "is a hundred years at most"
        return Diagnostic(location, "'\(keyPath)' \(limit), not \(text)")
    }

    static func notASize(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'\(keyPath)' is a size with its unit (KiB, MiB, GiB, KB, MB or GB), like 512MiB, not \(text)",
            suggestion: unitMeant(text, SizeUnit.spellings))
    }

    static func sizeTooLarge(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is at most 8388607GiB, not \(text)")
    }

    static func notAPolicyName(_ text: String, _ location: Location) -> Diagnostic {
        let meant = text.lowercased().replacing("_", with: "-").replacing(" ", with: "-").replacing(
            ".", with: "-")
        return Diagnostic(
            location, "'name' is 1 to 63 of a-z, 0-9 and '-', and does not begin with '-'; \(text) is not",
            suggestion: meant != text && meant.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,62}/) != nil ? meant : nil)
    }

    static func otherVersion(_ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'version' is 1, the only version that this build reads, not \(text)")
    }

    static func notAbsolute(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is an absolute path, not \(text); begin it with '/'")
    }

    static func relativeMountPoint(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' has the mount point \(text), which is no absolute path; begin it with '/'"
        )
    }

    static func pathWithDots(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' goes through '..' in \(text); write the path without")
    }

    static func globTooLong(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is a glob of at most \(Glob.maximumLength) bytes, as paths are")
    }

    static func brokenGlob(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'\(keyPath)' is a glob, and \(text) has a '[' without ']', a range upside down or a '\\' at its end"
        )
    }

    /// A pattern on absolute paths that can match none.
    static func relativeGlob(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'\(keyPath)' is matched against an absolute path, which \(text) never is; "
                + "begin it with '/', or with '**/' for any directory",
            suggestion: text.hasPrefix("*") ? nil : YAMLNode.quoted("**/" + text))
    }

    static func brokenRegex(_ keyPath: String, _ reason: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is a regular expression, and this one is not: \(reason)")
    }

    static func tooManyRegexes(_ keyPath: String, _ location: Location) -> Diagnostic {
        let limit = ByteCount(UInt64(RegexPattern.maximumBytesOfFile))
        return Diagnostic(
            location,
            "'\(keyPath)' is more than the \(limit) of regular expressions that a file may hold; shorten them, or split the file"
        )
    }

    static func regexTooLarge(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'\(keyPath)' is a regular expression of at most \(RegexPattern.maximumLength) characters and "
                + "\(RegexPattern.maximumNesting) levels; use several entries")
    }

    static func brokenCron(_ keyPath: String, _ reason: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is not a crontab(5) time: \(reason)")
    }

    static func unknownTimeZone(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' is a name of the time zone database like Europe/Berlin, not \(text)")
    }

    static func notANetwork(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'\(keyPath)' is 'any', an address, or a network like 10.0.0.0/8 with no bits behind its prefix, not \(text)"
        )
    }

    static func notPorts(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'\(keyPath)' is a port from 1 to 65535, a range like 8000-8010, or a list of those, not \(text)")
    }

    static func notAPrincipal(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is a name, or a number from 0 to 4294967294, not \(text)")
    }

    static func notADevice(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is a path below /dev or \"MAJOR:MINOR\", not \(text)")
    }

    static func notAStdioTarget(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' is inherit, null or \"file:/absolute/path\", not \(text)",
            suggestion: text.hasPrefix("/") ? YAMLNode.quoted("file:" + text) : nil)
    }

    static func notAnInheritedFD(_ keyPath: String, _ text: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' is written as criu's --inherit-fd, \"fd[3]:pipe[12345]\", not \(text)")
    }

    static func notAnExternal(
        _ keyPath: String, _ text: String, _ why: String, _ location: Location
    ) -> Diagnostic {
        Diagnostic(
            location,
            "'\(keyPath)' is written as criu's --external, \"dev[8/1]:data\" or \"tty[8803:17]\"; \(text) \(why)"
        )
    }

    static func emptyText(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is empty; write something, or remove the key")
    }

    /// `a, b or c`.
    static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    /// A number whose unit only differs in case or by a missing letter.
    private static func unitMeant(_ text: String, _ units: [String: String]) -> String? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else { return nil }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        return units[unit].map { "\(digits)\($0)" }
    }
}
