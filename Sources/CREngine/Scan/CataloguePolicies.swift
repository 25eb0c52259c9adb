extension FindingCode {
    /// CRP8xx: policies and selection. Nil for every other code.
    var policyEntry: Entry? {
        switch self {
        case .unsupportedKey:
            Entry(
                .block, "policy key without effect in this build",
                "This build would not do what the policy asks for by this key; take the key out, or "
                    + "use a build that does.",
                kernel: "This is no matter of the kernel: a policy is obeyed as a whole or not at all.",
                restore: "None.")
        case .tooManyTargets:
            Entry(
                .block, "more targets than max-targets", remedy: "max-targets: COUNT",
                "A selection that matches more than expected stops nothing; narrow it or raise the "
                    + "limit.",
                kernel: "This is no matter of the kernel: a mistake in a pattern must not stop a whole "
                    + "machine.",
                restore: "None.")
        case .nothingMatched:
            Entry(
                .warn, "selection without a match", "No process matches the policy.",
                kernel: "This is no matter of the kernel. on-no-match says whether it is a fault.",
                restore: "None.")
        case .sameName:
            Entry(
                .warn, "targets of the same name",
                "Two trees have the same program and arguments; the later one is told apart by a "
                    + "number.",
                kernel:
                    "Process numbers are used again, so a checkpoint's place is named by what the program "
                    + "is.",
                restore:
                    "The later tree is below its own name in the store, with a number at the end, by the "
                    + "order in which they were started.")
        case .brokenPattern:
            Entry(
                .block, "matcher that could not be tried",
                "The regular expression takes too long on a command line of this host; make it more "
                    + "specific.",
                kernel: "This is no matter of the kernel: matching has a time limit, because a pattern can "
                    + "take for ever on an unlucky text.",
                restore: "None.")
        case .unknownPrincipal:
            Entry(
                .warn, "unknown user or group",
                "The host has no such user or group, so the matcher matches nothing.",
                kernel: "The kernel knows numbers only; names come from the host's user database.",
                restore: "None.")
        case .pidfileUnusable:
            Entry(
                .warn, "pidfile that names no process",
                "The file is missing or holds no number of a process, so the matcher matches nothing.",
                kernel:
                    "A file that was left behind may name a process that has ended or another that got its "
                    + "number.",
                restore: "None.")
        case .groupBlocked:
            Entry(
                .block, "tree of a group that is blocked",
                "The trees of a session or control group are frozen together, and another one of them is "
                    + "blocked.",
                kernel: "Processes of one session or control group may have several topmost ones, each with "
                    + "a tree of its own, and what they share is whole only when all stand still.",
                restore: "None, it blocks.")
        case .outsideGroup:
            Entry(
                .warn, "process of another control group",
                "It descends from a process of the group that the policy selects and is in another one; "
                    + "a dump takes whole trees, so it comes along.",
                kernel: "A child begins in the control group of its parent and can be moved to any other "
                    + "one while it stays a child.",
                restore: "It is restored with the tree, in the control group that it was in.")
        case .unusedAllowance:
            Entry(
                .info, "allowance that nothing used",
                "Nothing of the trees that were found needs it; take it out unless it is for others to "
                    + "come.",
                kernel: "This is no matter of the kernel: an allowance that nothing needs would let through "
                    + "what nobody thought of when it was written.",
                restore: "None.")
        case .budgetWithoutPause:
            Entry(
                .warn, "freeze-budget of a tree that does not run on",
                "The budget bounds the pause of a tree that runs on afterwards; one that is killed or left "
                    + "stopped sees no end of it, so the budget has no effect.",
                kernel:
                    "This is no matter of the kernel: a pause is counted from the stop to the continuation, and here is none.",
                restore: "None.")
        case .sharedPidfile:
            Entry(
                .block, "pidfile of several targets", criu: "pidfile",
                remedy: "restore: {pidfile: \"/run/{target}.pid\"}",
                "Each restore would write its root over that of the other; {target} or {pid} in the path tells "
                    + "them apart.",
                kernel: "This is no matter of the kernel: a file holds one number.",
                restore: "None, it blocks.")
        case .newPIDNamespace:
            Entry(
                .info, "pid namespace made at restore",
                "The policy has `restore: {pid-conflict: new-pid-namespace}`: a restore that finds an id of the tree "
                    + "taken gives the tree a pid namespace of its own, unless something that it has stands against that.",
                kernel:
                    "Inside a pid namespace all ids are free; a process has another one in each namespace above. Its "
                    + "first process takes over orphans, and all in it die with that.",
                restore:
                    "The tree has its old ids inside and new ones outside, where the pidfile has that of its root; its "
                    + "parent is a small init. /proc is the host's, with the new ids. Sessions and processes outside are 0 "
                    + "for it.")
        default: nil
        }
    }
}
