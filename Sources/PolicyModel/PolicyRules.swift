/// What several keys of a policy must keep together.
enum PolicyRules {
    /// Of one entry of `select` or `except`.
    static func check(
        _ matcher: Matcher, _ node: YAMLNode, _ keyPath: String, _ context: inout DecodingContext
    ) {
        let place = context.source.location(node.place)
        if node.content == .mapping([]) { context.diagnostics.append(.emptyMatcher(keyPath, place)) }
        if let least = matcher.minRSS, let most = matcher.maxRSS, least > most {
            context.diagnostics.append(.minimumAboveMaximum(keyPath, place))
        }
    }

    /// Of a whole policy. A value that could not be read is not blamed twice: what is asked here of a key is asked of
    /// the text that was written.
    static func check(
        _ policy: Policy, _ node: YAMLNode, _ keyPath: String, _ context: inout DecodingContext
    ) {
        let written = context.entries
        let source = context.source
        let place = { (keyPath: String) -> Diagnostic.Location in
            guard let entry = written[keyPath] else { return source.location(node.place) }
            let start = YAMLPlace(line: entry.mark.line, column: entry.mark.column)
            let isWhole = source.rest(from: start).hasPrefix(entry.text)
            return source.location(start).shifted(
                by: 0, length: isWhole ? entry.text.unicodeScalars.count : 1)
        }
        if written["select"]?.text == "[]" { context.diagnostics.append(.selectsNothing(place("select"))) }
        if policy.dump.after == .leaveRunning, written["dump.filesystem"] == nil {
            context.diagnostics.append(.filesystemMissing(place("dump.after")))
        }
        if policy.dump.filesystem == .hook, !policy.hooks.contains(where: { $0.at == .frozen }) {
            context.diagnostics.append(.frozenHookMissing(place("dump.filesystem")))
        }
        for (index, hook) in policy.hooks.enumerated() {
            let keyPath = "hooks[\(index)].argv"
            let isWrong = hook.argv.first.map { !$0.hasPrefix("/") } ?? (written[keyPath]?.text == "[]")
            if isWrong { context.diagnostics.append(.hookWithoutProgram(keyPath, place(keyPath))) }
        }
        if written["schedule.cron"] != nil, written["schedule.every"] != nil {
            context.diagnostics.append(.cronWithEvery(place("schedule.every")))
        }
        if policy.schedule.every != nil, policy.schedule.timeZone != nil {
            context.diagnostics.append(.zoneWithEvery(place("schedule.time-zone")))
        }
        let trigger = ["schedule.cron", "schedule.every"].first { written[$0] != nil }
        let kills = written["dump.after"].map { $0.text == "kill" } ?? true
        let isUnasked = written["schedule.kills"].map { $0.text == "false" } ?? true
        if let trigger, kills, isUnasked { context.diagnostics.append(.scheduledKill(place(trigger))) }
    }
}

extension Diagnostic {
    static func emptyList(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' is an empty list; give it an element, or remove the key")
    }

    static func emptyMatcher(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location, "'\(keyPath)' has no keys and would match every process; give it one, exe for example")
    }

    static func minimumAboveMaximum(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' matches nothing: its min-rss is above its max-rss")
    }

    static func selectsNothing(_ location: Location) -> Diagnostic {
        Diagnostic(location, "'select' is an empty list, so the policy selects nothing; give it a matcher")
    }

    static func filesystemMissing(_ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'dump.after: leave-running' needs 'dump.filesystem' to say how open files stay in step with memory: "
                + alternatives(DumpSettings.Filesystem.allCases.map(\.rawValue)))
    }

    static func frozenHookMissing(_ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'dump.filesystem: hook' needs a hook with 'at: frozen' that takes the snapshot of the files")
    }

    static func hookWithoutProgram(_ keyPath: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "'\(keyPath)' begins with the absolute path of a program; no shell looks one up")
    }

    static func cronWithEvery(_ location: Location) -> Diagnostic {
        Diagnostic(location, "'schedule.every' and 'schedule.cron' exclude each other; remove one of them")
    }

    static func zoneWithEvery(_ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "'schedule.every' counts from 1970-01-01T00:00:00Z in every zone; remove 'schedule.time-zone'")
    }

    static func scheduledKill(_ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "each scheduled run kills what it dumps (dump.after: kill); if that is meant, add 'kills: true' to 'schedule'"
        )
    }

    static func duplicateName(_ name: String, first: SourceMark, _ location: Location) -> Diagnostic {
        Diagnostic(location, "the name '\(name)' is taken by the policy at \(first); each policy has its own")
    }
}
