package import PolicyModel

/// Who starts the scheduled runs.
package enum ScheduleKeeper: String, Sendable, CaseIterable {
    case cron
    case systemd

    package var defaultDirectory: String {
        switch self {
        case .cron: "/etc/cron.d"
        case .systemd: "/etc/systemd/system"
        }
    }

    /// The names of a policy's files.
    package func fileNames(for policy: String) -> [String] {
        switch self {
        case .cron: ["crplan-\(policy)"]
        case .systemd: ["crplan-\(policy).service", "crplan-\(policy).timer"]
        }
    }

    /// The policy that a file is for; nil for a name that is not of this form.
    package func policy(ofFile name: String) -> String? {
        let suffix = self == .cron ? "" : ".timer"
        guard name.hasPrefix("crplan-"), name.hasSuffix(suffix),
            !name.dropFirst(7).contains(".") || self == .systemd
        else { return nil }
        return String(name.dropFirst(7).dropLast(suffix.count))
    }
}

/// A policy's schedule as it is handed over.
package struct ScheduleHandover: Sendable {
    package var policy: Policy
    package var times: ScheduleTimes
    /// Absolute path of crplan.
    package var program: String
    /// Absolute path of the policy's file.
    package var file: String
    /// Whether there are others in that file.
    package var isOneOfSeveral: Bool
    package var now: UnixTime

    package init(
        policy: Policy, times: ScheduleTimes, program: String, file: String, isOneOfSeveral: Bool,
        now: UnixTime
    ) {
        self.policy = policy
        self.times = times
        self.program = program
        self.file = file
        self.isOneOfSeveral = isOneOfSeveral
        self.now = now
    }

    /// The files to write.
    package func files(for keeper: ScheduleKeeper) throws(ScheduleError) -> [ManagedFile] {
        for path in [program, file] where path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
            throw ScheduleError(
                "\"\(path)\"", "has a control character, which no crontab and no unit can hold",
                remedy: "rename it")
        }
        let names = keeper.fileNames(for: policy.name)
        let bodies =
            switch keeper {
            case .cron: [crontab]
            case .systemd: [service, timer]
            }
        var files: [ManagedFile] = []
        for (name, body) in zip(names, bodies) { files.append(try ManagedFile(name: name, body: body)) }
        return files
    }

    /// The five fields where they say when the policy runs, in cron's own zone and no time missed or put off.
    var fields: String? {
        let schedule = policy.schedule
        guard case .cron(let cron) = times.trigger, schedule.timeZone == nil, times.delay == 0,
            schedule.catchUp == .none
        else { return nil }
        return cron.text
    }

    /// What systemd's calendar says; nil where it cannot say it.
    var calendar: CalendarExpressions? {
        CalendarExpressions(times, isHostZone: policy.schedule.timeZone == nil, now: now)
    }

    private func words(_ option: String) -> [String] {
        [program, "apply", option] + (isOneOfSeveral ? ["--policy", policy.name] : []) + [file]
    }

    private var head: String {
        """
        # Runs of the policy \(policy.name), from \(file).
        # Changes here are found and left alone: change the policy, then run `crplan schedule install` again.

        """
    }

    /// A line of /etc/cron.d has a user's name behind the fields, and a newline at its end. See crontab(5).
    private var crontab: String {
        let command = words(fields == nil ? "--if-due" : "--scheduled").map(ScheduleHandover.shellWord)
        // To cron an unquoted percent sign ends the command, within quotes of the shell too.
        let line = command.joined(separator: " ").split(separator: "%", omittingEmptySubsequences: false)
            .joined(separator: "\\%")
        return head + """
            SHELL=/bin/sh
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
            \(fields ?? "* * * * *") root \(line)

            """
    }

    /// No sandbox options: a filter of system calls or a file system of its own keeps crplan from other processes.
    private var service: String {
        let command = words(calendar == nil ? "--if-due" : "--scheduled").map(ScheduleHandover.unitWord)
        return head + """

            [Unit]
            Description=Checkpoints by the policy \(policy.name) of crplan

            [Service]
            Type=oneshot
            ExecStart=\(command.joined(separator: " "))
            # Another run is under way; a hook said "not now".
            SuccessExitStatus=7 75

            """
    }

    private var timer: String {
        let lines = calendar?.lines ?? ["*-*-* *:*:00 UTC"]
        // What --if-due looks after is not systemd's to make up for.
        let isPersistent = calendar != nil && policy.schedule.catchUp == .once
        return head + """

            [Unit]
            Description=Times of the policy \(policy.name) of crplan

            [Timer]
            \(lines.map { "OnCalendar=\($0)" }.joined(separator: "\n"))
            AccuracySec=1s
            Persistent=\(isPersistent)

            [Install]
            WantedBy=timers.target

            """
    }

    /// As sh reads it back.
    private static func shellWord(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "/._-+:,@".utf8.contains(byte)
        }
        if isPlain, !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
            + "'"
    }

    /// As systemd reads it back: specifiers, variables and quotes. See systemd.service(5), "COMMAND LINES".
    private static func unitWord(_ word: String) -> String {
        var text = ""
        for character in word {
            switch character {
            case "%": text += "%%"
            case "$": text += "$$"
            case "\\", "\"": text += "\\" + String(character)
            default: text.append(character)
            }
        }
        let needsQuotes = text.isEmpty || text.contains { " ';\"\\#".contains($0) }
        return needsQuotes ? "\"\(text)\"" : text
    }
}
