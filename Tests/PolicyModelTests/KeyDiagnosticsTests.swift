import Testing

@testable import PolicyModel

/// What is wrong with keys, as an operator sees it.
@Suite struct KeyDiagnosticsTests {
    @Test func `an unknown key names the nearest known one, and is not missed as well`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                selct:
                  - exe: /a

                """#)
                    == #"""
                    p.yaml:3:1: error: a policy has no key 'selct'
                     3 | selct:
                       | ^~~~~ did you mean 'select'?
                    1 error
                    """#)
    }

    @Test func `snake case, camel case and a swap are near`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                max_targets: 1
                onNoMatch: ok
                batch: {parallle: 2}

                """#)
                    == #"""
                    p.yaml:4:1: error: a policy has no key 'max_targets'
                     4 | max_targets: 1
                       | ^~~~~~~~~~~ did you mean 'max-targets'?
                    p.yaml:5:1: error: a policy has no key 'onNoMatch'
                     5 | onNoMatch: ok
                       | ^~~~~~~~~ did you mean 'on-no-match'?
                    p.yaml:6:9: error: 'batch' has no key 'parallle'
                     6 | batch: {parallle: 2}
                       |         ^~~~~~~~ did you mean 'parallel'?
                    3 errors
                    """#)
    }

    @Test func `a key that is like none lists what there is`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                store: {compression: zstd}

                """#)
                    == #"""
                    p.yaml:4:9: error: 'store' has no key 'compression'; it has path, min-free
                     4 | store: {compression: zstd}
                       |         ^~~~~~~~~~~
                    1 error
                    """#)
    }

    @Test func `an option of criu and a key a level too high name their place`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                leave-running: true
                cron: "@daily"

                """#)
                    == #"""
                    p.yaml:4:1: error: a policy has no key 'leave-running'
                     4 | leave-running: true
                       | ^~~~~~~~~~~~~ did you mean 'dump: {after: leave-running}'?
                    p.yaml:5:1: error: a policy has no key 'cron'
                     5 | cron: "@daily"
                       | ^~~~ did you mean 'schedule: {cron: …}'?
                    2 errors
                    """#)
    }

    @Test func `a duplicate key tells the first`() {
        #expect(
            faults(
                #"""
                version: 1
                version: 1
                name: x
                select: [{exe: /a}]

                """#)
                    == #"""
                    p.yaml:2:1: error: the key 'version' was given on line 1 already; remove one of them
                     2 | version: 1
                       | ^~~~~~~
                    1 error
                    """#)
    }

    @Test func `a missing key and a key without a value are told`() {
        #expect(
            faults(
                #"""
                version: 1
                select: [{exe: /a}]
                store:

                """#)
                    == #"""
                    p.yaml:1:1: error: a policy needs the key 'name'
                     1 | version: 1
                       | ^
                    p.yaml:3:1: error: 'store' has no value; give it one, or remove the key to have the default
                     3 | store:
                       | ^~~~~
                    2 errors
                    """#)
    }

    @Test func `another version and a name that is none are told`() {
        #expect(
            faults(
                #"""
                version: 2
                name: Foo_bar
                select: [{exe: /a}]

                """#)
                    == #"""
                    p.yaml:1:10: error: 'version' is 1, the only version that this build reads, not 2
                     1 | version: 2
                       |          ^
                    p.yaml:2:7: error: 'name' is 1 to 63 of a-z, 0-9 and '-', and does not begin with '-'; Foo_bar is not
                     2 | name: Foo_bar
                       |       ^~~~~~~ did you mean foo-bar?
                    2 errors
                    """#)
    }

    @Test func `two policies of one name are told by their places`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                ---
                version: 1
                name: x
                select: [{exe: /a}]

                """#)
                    == #"""
                    p.yaml:6:7: error: the name 'x' is taken by the policy at p.yaml:2:7; each policy has its own
                     6 | name: x
                       |       ^
                    1 error
                    """#)
    }

    @Test func `a matcher without keys would match everything`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{}]

                """#)
                    == #"""
                    p.yaml:3:10: error: 'select[0]' has no keys and would match every process; give it one, exe for example
                     3 | select: [{}]
                       |          ^
                    1 error
                    """#)
    }

    @Test func `select without matchers selects nothing`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: []

                """#)
                    == #"""
                    p.yaml:3:9: error: 'select' is an empty list, so the policy selects nothing; give it a matcher
                     3 | select: []
                       |         ^~
                    1 error
                    """#)
    }

    @Test func `a merge of something else is told`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                <<: 1

                """#)
                    == #"""
                    p.yaml:4:5: error: '<<' takes in a mapping, or a list of mappings, by alias: '<<: *name'
                     4 | <<: 1
                       |     ^
                    1 error
                    """#)
    }
}
