/// What several keys of a policy must keep together.
enum PolicyRules {
    /// Of one entry of `select` or `except`.
    static func check(
        _ matcher: Matcher, _ node: YAMLNode, _ keyPath: String, _ context: inout DecodingContext
    ) {
        let place = context.source.location(node.place)
        if matcher == Matcher() { context.diagnostics.append(.emptyMatcher(keyPath, place)) }
        if let least = matcher.minRSS, let most = matcher.maxRSS, least > most {
            context.diagnostics.append(.minimumAboveMaximum(keyPath, place))
        }
    }

    /// Of a whole policy.
    static func check(
        _ policy: Policy, _ node: YAMLNode, _ keyPath: String, _ context: inout DecodingContext
    ) {
        let place = { (keyPath: String, context: DecodingContext) in
            guard let mark = context.entries[keyPath]?.mark else {
                return context.source.location(node.place)
            }
            return context.source.location(YAMLPlace(line: mark.line, column: mark.column))
        }
        if policy.select.isEmpty { context.diagnostics.append(.selectsNothing(place("select", context))) }
        if policy.dump.after == .leaveRunning, policy.dump.filesystem == nil {
            context.diagnostics.append(.filesystemMissing(place("dump.after", context)))
        }
        if policy.dump.filesystem == .hook, !policy.hooks.contains(where: { $0.at == .frozen }) {
            context.diagnostics.append(.frozenHookMissing(place("dump.filesystem", context)))
        }
        for (index, hook) in policy.hooks.enumerated() where hook.argv.first?.hasPrefix("/") != true {
            let keyPath = "hooks[\(index)].argv"
            context.diagnostics.append(.hookWithoutProgram(keyPath, place(keyPath, context)))
        }
        let schedule = policy.schedule
        if schedule.cron != nil, schedule.every != nil {
            context.diagnostics.append(.cronWithEvery(place("schedule.every", context)))
        }
        let trigger = schedule.cron != nil ? "schedule.cron" : schedule.every != nil ? "schedule.every" : nil
        if let trigger, policy.dump.after == .kill, !schedule.kills {
            context.diagnostics.append(.scheduledKill(place(trigger, context)))
        }
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
