import Testing

@testable import PolicyModel

/// What is wrong with values, as an operator sees it.
@Suite struct ValueDiagnosticsTests {
    @Test func `text that YAML would turn into something else is shown in quotes`() {
        #expect(
            faults(
                #"""
                version: 1
                name: no
                select:
                  - {comm: 0755, user: 0755}
                  - {comm: 2026-11-23}
                  - {comm: 1.5}
                  - {comm: ~}
                allow: {evasive-devices: [1:3]}

                """#)
                    == #"""
                    p.yaml:2:7: error: 'name' is text, and YAML takes no for a boolean; write "no"
                     2 | name: no
                       |       ^~
                    p.yaml:4:12: error: 'select[0].comm' is text, and YAML takes 0755 for an octal number; write "0755"
                     4 |   - {comm: 0755, user: 0755}
                       |            ^~~~
                    p.yaml:4:24: error: 'select[0].user' is text, and YAML takes 0755 for an octal number; write "0755"
                     4 |   - {comm: 0755, user: 0755}
                       |                        ^~~~
                    p.yaml:5:12: error: 'select[1].comm' is text, and YAML takes 2026-11-23 for a date; write "2026-11-23"
                     5 |   - {comm: 2026-11-23}
                       |            ^~~~~~~~~~
                    p.yaml:6:12: error: 'select[2].comm' is text, and YAML takes 1.5 for a number; write "1.5"
                     6 |   - {comm: 1.5}
                       |            ^~~
                    p.yaml:7:12: error: 'select[3].comm' is text, and YAML takes ~ for null; write "~"
                     7 |   - {comm: ~}
                       |            ^
                    p.yaml:8:27: error: 'allow.evasive-devices[0]' is text, and YAML takes 1:3 for a number to base 60; write "1:3"
                     8 | allow: {evasive-devices: [1:3]}
                       |                           ^~~
                    7 errors
                    """#)
    }

    @Test func `a duration and a size have their units`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                dump: {timeout: 10, freeze-timeout: 5 sec}
                store: {min-free: 10g}
                allow: {ghost-limit: 1024}

                """#)
                    == #"""
                    p.yaml:4:17: error: 'dump.timeout' is a duration with its unit, like 500ms, 30s, 10m, 6h or 7d, not 10
                     4 | dump: {timeout: 10, freeze-timeout: 5 sec}
                       |                 ^~
                    p.yaml:4:37: error: 'dump.freeze-timeout' is a duration with its unit, like 500ms, 30s, 10m, 6h or 7d, not 5 sec
                     4 | dump: {timeout: 10, freeze-timeout: 5 sec}
                       |                                     ^~~~~ did you mean 5s?
                    p.yaml:5:19: error: 'store.min-free' is a size with its unit (KiB, MiB, GiB, KB, MB or GB), like 512MiB, not 10g
                     5 | store: {min-free: 10g}
                       |                   ^~~ did you mean 10GiB?
                    p.yaml:6:22: error: 'allow.ghost-limit' is a size with its unit (KiB, MiB, GiB, KB, MB or GB), like 512MiB, not 1024
                     6 | allow: {ghost-limit: 1024}
                       |                      ^~~~
                    4 errors
                    """#)
    }

    @Test func `booleans are true and false`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                allow:
                  shell-job: yes
                  link-remap: "true"
                  ext-unix-sk: off

                """#)
                    == #"""
                    p.yaml:5:14: error: 'allow.shell-job' is true or false, without quotes, not yes
                     5 |   shell-job: yes
                       |              ^~~ did you mean true?
                    p.yaml:6:15: error: 'allow.link-remap' is true or false, without quotes, not "true"
                     6 |   link-remap: "true"
                       |               ^~~~~~ did you mean true?
                    p.yaml:7:16: error: 'allow.ext-unix-sk' is true, false or a list of rules, not off
                     7 |   ext-unix-sk: off
                       |                ^~~ did you mean false?
                    3 errors
                    """#)
    }

    @Test func `numbers are decimal and in their range`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                max-targets: 0
                batch: {parallel: 0x10, retries: 007}

                """#)
                    == #"""
                    p.yaml:4:14: error: 'max-targets' is from 1 to 100000, not 0
                     4 | max-targets: 0
                       |              ^
                    p.yaml:5:19: error: 'batch.parallel' is a whole decimal number without quotes and leading zeros, not 0x10
                     5 | batch: {parallel: 0x10, retries: 007}
                       |                   ^~~~
                    p.yaml:5:34: error: 'batch.retries' is a whole decimal number without quotes and leading zeros, not 007
                     5 | batch: {parallel: 0x10, retries: 007}
                       |                                  ^~~ did you mean 7?
                    3 errors
                    """#)
    }

    @Test func `a choice lists its words`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                dump: {after: leave-runing, compress: gzip}

                """#)
                    == #"""
                    p.yaml:4:15: error: 'dump.after' is kill, leave-running or leave-stopped, not leave-runing
                     4 | dump: {after: leave-runing, compress: gzip}
                       |               ^~~~~~~~~~~~ did you mean 'leave-running'?
                    p.yaml:4:39: error: 'dump.compress' is none or zstd, not gzip
                     4 | dump: {after: leave-runing, compress: gzip}
                       |                                       ^~~~
                    2 errors
                    """#)
    }

    @Test func `lists and mappings are not mixed up`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: {exe: /a}
                store: /var
                tree: [process]

                """#)
                    == #"""
                    p.yaml:3:9: error: 'select' is a list of matchers, not a mapping; put '- ' before each element
                     3 | select: {exe: /a}
                       |         ^
                    p.yaml:4:8: error: 'store' is a mapping of keys, not a single value
                     4 | store: /var
                       |        ^~~~
                    p.yaml:5:7: error: 'tree' is process, descendants, session or cgroup, not a list
                     5 | tree: [process]
                       |       ^
                    3 errors
                    """#)
    }

    @Test func `paths and globs on paths are absolute`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: solver}, {pidfile: run/x.pid}]
                store: {path: /a/../b}

                """#)
                    == #"""
                    p.yaml:3:16: error: 'select[0].exe' is matched against an absolute path, which solver never is; begin it with '/', or with '**/' for any directory
                     3 | select: [{exe: solver}, {pidfile: run/x.pid}]
                       |                ^~~~~~ did you mean "**/solver"?
                    p.yaml:3:35: error: 'select[1].pidfile' is an absolute path, not run/x.pid; begin it with '/'
                     3 | select: [{exe: solver}, {pidfile: run/x.pid}]
                       |                                   ^~~~~~~~~
                    p.yaml:4:15: error: 'store.path' goes through '..' in /a/../b; write the path without
                     4 | store: {path: /a/../b}
                       |               ^~~~~~~
                    3 errors
                    """#)
    }

    @Test func `broken globs and regular expressions are told`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{comm: "[a", cmdline: "(a"}]

                """#)
                    == #"""
                    p.yaml:3:17: error: 'select[0].comm' is a glob, and "[a" has a '[' without ']', a range upside down or a '\' at its end
                     3 | select: [{comm: "[a", cmdline: "(a"}]
                       |                 ^~~~
                    p.yaml:3:32: error: 'select[0].cmdline' is a regular expression, and this one is not: expected ')'
                     3 | select: [{comm: "[a", cmdline: "(a"}]
                       |                                ^~~~
                    2 errors
                    """#)
    }

    @Test func `rules of allowances are checked`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                allow:
                  tcp-established: [{peer: 10.0.0.1/8, peer-port: 0, action: kep}]
                  stdio: [{kind: pipe, on-restore: /var/log/x}]
                  ext-mount-map: {data: /srv}

                """#)
                    == #"""
                    p.yaml:5:28: error: 'allow.tcp-established[0].peer' is 'any', an address, or a network like 10.0.0.0/8 with no bits behind its prefix, not 10.0.0.1/8
                     5 |   tcp-established: [{peer: 10.0.0.1/8, peer-port: 0, action: kep}]
                       |                            ^~~~~~~~~~
                    p.yaml:5:51: error: 'allow.tcp-established[0].peer-port' is a port from 1 to 65535, a range like 8000-8010, or a list of those, not 0
                     5 |   tcp-established: [{peer: 10.0.0.1/8, peer-port: 0, action: kep}]
                       |                                                   ^
                    p.yaml:5:62: error: 'allow.tcp-established[0].action' is keep, close or deny, not kep
                     5 |   tcp-established: [{peer: 10.0.0.1/8, peer-port: 0, action: kep}]
                       |                                                              ^~~ did you mean 'keep'?
                    p.yaml:6:36: error: 'allow.stdio[0].on-restore' is inherit, null or "file:/absolute/path", not /var/log/x
                     6 |   stdio: [{kind: pipe, on-restore: /var/log/x}]
                       |                                    ^~~~~~~~~~ did you mean "file:/var/log/x"?
                    p.yaml:7:19: error: 'allow.ext-mount-map' has the mount point data, which is no absolute path; begin it with '/'
                     7 |   ext-mount-map: {data: /srv}
                       |                   ^~~~
                    5 errors
                    """#)
    }

    @Test func `a cron fault points at its field`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                schedule: {cron: 0 0 30 2 *, kills: true}
                ---
                version: 1
                name: b
                select: [{exe: /a}]
                schedule: {cron: "0 25 * * *", kills: true}

                """#)
                    == #"""
                    p.yaml:4:22: error: 'schedule.cron' is not a crontab(5) time: this date never comes
                     4 | schedule: {cron: 0 0 30 2 *, kills: true}
                       |                      ^~~~
                    p.yaml:9:21: error: 'schedule.cron' is not a crontab(5) time: the hour '25' is not in 0-23
                     9 | schedule: {cron: "0 25 * * *", kills: true}
                       |                     ^~
                    2 errors
                    """#)
    }

    @Test func `a duration has no zone`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                schedule: {every: 6h, time-zone: UTC, kills: true}

                """#)
                    == #"""
                    p.yaml:4:34: error: 'schedule.every' counts from 1970-01-01T00:00:00Z in every zone; remove 'schedule.time-zone'
                     4 | schedule: {every: 6h, time-zone: UTC, kills: true}
                       |                                  ^~~
                    1 error
                    """#)
    }

    @Test func `a schedule has one trigger, a known zone, and consent to kill`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                schedule:
                  cron: "@daily"
                  every: 6h
                ---
                version: 1
                name: b
                select: [{exe: /a}]
                schedule: {every: 6h, time-zone: Europe/Berln}

                """#)
                    == #"""
                    p.yaml:5:9: error: each scheduled run kills what it dumps (dump.after: kill); if that is meant, add 'kills: true' to 'schedule'
                     5 |   cron: "@daily"
                       |         ^~~~~~~~
                    p.yaml:6:10: error: 'schedule.every' and 'schedule.cron' exclude each other; remove one of them
                     6 |   every: 6h
                       |          ^~
                    p.yaml:11:19: error: each scheduled run kills what it dumps (dump.after: kill); if that is meant, add 'kills: true' to 'schedule'
                     11 | schedule: {every: 6h, time-zone: Europe/Berln}
                        |                   ^~
                    p.yaml:11:34: error: 'schedule.time-zone' is a name of the time zone database like Europe/Berlin, not Europe/Berln
                     11 | schedule: {every: 6h, time-zone: Europe/Berln}
                        |                                  ^~~~~~~~~~~~
                    4 errors
                    """#)
    }

    @Test func `leave-running asks for the file system, and a snapshot for its hook`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                dump: {after: leave-running}
                ---
                version: 1
                name: b
                select: [{exe: /a}]
                dump: {after: leave-running, filesystem: hook}

                """#)
                    == #"""
                    p.yaml:4:15: error: 'dump.after: leave-running' needs 'dump.filesystem' to say how open files stay in step with memory: copy, append-only, hook or unsafe-ignore
                     4 | dump: {after: leave-running}
                       |               ^~~~~~~~~~~~~
                    p.yaml:9:42: error: 'dump.filesystem: hook' needs a hook with 'at: frozen' that takes the snapshot of the files
                     9 | dump: {after: leave-running, filesystem: hook}
                       |                                          ^~~~
                    2 errors
                    """#)
    }

    @Test func `rules over several keys are told beside other faults, and no value is blamed twice`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                tre: process
                schedule: {cron: "x", every: 6h, kills: yes}
                hooks: [{name: a, at: forzen, argv: sh}]

                """#)
                    == #"""
                    p.yaml:4:1: error: a policy has no key 'tre'
                     4 | tre: process
                       | ^~~ did you mean 'tree'?
                    p.yaml:5:19: error: 'schedule.cron' is not a crontab(5) time: it needs five fields (minute, hour, day of the month, month, weekday) and has 1
                     5 | schedule: {cron: "x", every: 6h, kills: yes}
                       |                   ^
                    p.yaml:5:30: error: 'schedule.every' and 'schedule.cron' exclude each other; remove one of them
                     5 | schedule: {cron: "x", every: 6h, kills: yes}
                       |                              ^~
                    p.yaml:5:41: error: 'schedule.kills' is true or false, without quotes, not yes
                     5 | schedule: {cron: "x", every: 6h, kills: yes}
                       |                                         ^~~ did you mean true?
                    p.yaml:6:23: error: 'hooks[0].at' is before-scan, before-freeze, frozen, before-thaw, thawed, published, run-end, failed, before-restore, restored or resumed, not forzen
                     6 | hooks: [{name: a, at: forzen, argv: sh}]
                       |                       ^~~~~~ did you mean 'frozen'?
                    p.yaml:6:37: error: 'hooks[0].argv' is a list of arguments, not a single value; put '- ' before each element
                     6 | hooks: [{name: a, at: forzen, argv: sh}]
                       |                                     ^~
                    6 errors
                    """#)
    }

    @Test func `a hook is a program by its absolute path`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                hooks: [{name: a, at: frozen, argv: [sh, -c, x]}]

                """#)
                    == #"""
                    p.yaml:4:37: error: 'hooks[0].argv' begins with the absolute path of a program; no shell looks one up
                     4 | hooks: [{name: a, at: frozen, argv: [sh, -c, x]}]
                       |                                     ^~~~~~~~~~~
                    1 error
                    """#)
    }
}
