import Testing

@testable import PolicyModel

/// What is wrong with the YAML itself, as an operator sees it.
@Suite struct SyntaxDiagnosticsTests {
    @Test func `a leading star is told as what it is`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                schedule:
                  cron: */5 * * * *   # often

                """#)
                    == #"""
                    p.yaml:5:9: error: an unquoted leading '*' is a YAML alias; put the value in quotes: "*/5 * * * *"
                     5 |   cron: */5 * * * *   # often
                       |         ^~~~~~~~~~~
                    1 error
                    """#)
    }

    @Test func `a star that names an alias is told too`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select:
                  - comm: *sh

                """#)
                    == #"""
                    p.yaml:4:11: error: an unquoted leading '*' is a YAML alias, and no anchor '&sh' stands before it; if the value begins with '*', write "*sh"
                     4 |   - comm: *sh
                       |           ^~~
                    1 error
                    """#)
    }

    @Test func `so are the other signs: at`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                schedule:
                  cron: @daily

                """#)
                    == #"""
                    p.yaml:5:9: error: an unquoted leading '@' is reserved by YAML; put the value in quotes: "@daily"
                     5 |   cron: @daily
                       |         ^~~~~~
                    1 error
                    """#)
    }

    @Test func `so are the other signs: percent`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select:
                  - comm: %a

                """#)
                    == #"""
                    p.yaml:4:11: error: an unquoted leading '%' is a YAML directive; put the value in quotes: "%a"
                     4 |   - comm: %a
                       |           ^~
                    1 error
                    """#)
    }

    @Test func `so are the other signs: exclamation mark`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select:
                  - comm: !a b

                """#)
                    == #"""
                    p.yaml:4:11: error: an unquoted leading '!' is a YAML tag; put the value in quotes: "!a b"
                     4 |   - comm: !a b
                       |           ^~~~
                    1 error
                    """#)
    }

    @Test func `a tab does not indent`() {
        #expect(
            faults(
                "version: 1\nname: x\nselect:\n  - comm: a\n\tuser: b\n")
                == "p.yaml:5:1: error: a tab cannot indent YAML; use blanks\n 5 | \tuser: b\n   | ^\n1 error")
    }

    @Test func `a colon in a value needs quotes`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                description: foo: bar

                """#)
                    == #"""
                    p.yaml:4:17: error: a ':' cannot stand here; indent the key like its neighbours, or quote a value that has ': ' in it
                     4 | description: foo: bar
                       |                 ^
                    1 error
                    """#)
    }

    @Test func `an open quote is told where it opens`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                description: "foo

                """#)
                    == #"""
                    p.yaml:4:14: error: the quote that opens here is not closed as it should: found unexpected end of stream
                     4 | description: "foo
                       |              ^
                    1 error
                    """#)
    }

    @Test func `a wrong indentation is told`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                  store: x

                """#)
                    == #"""
                    p.yaml:4:3: error: this does not continue what began on line 1; give the same indentation to what belongs together, and quote a value that begins with a quote, '[' or '{'
                     4 |   store: x
                       |   ^
                    1 error
                    """#)
    }

    @Test func `braces in a value need quotes`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                restore: {pidfile: {target}.pid}

                """#)
                    == #"""
                    p.yaml:4:28: error: the '{' of line 4, column 10 needs a ',' or its end here; quote a value that has one of []{}, in it
                     4 | restore: {pidfile: {target}.pid}
                       |                            ^
                    1 error
                    """#)
    }

    @Test func `a key without its colon is told`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                store

                """#)
                    == #"""
                    p.yaml:4:1: error: a key without its ':'; write 'key: value'
                     4 | store
                       | ^
                    1 error
                    """#)
    }

    @Test func `a control character is told, and not sent to the terminal`() {
        #expect(
            faults(
                "version: 1\nname: x\nselect: [{exe: /a}]\nx\u{01}y: 1\n")
                    == #"""
                    p.yaml:4:2: error: a control character cannot stand here; remove it
                     4 | x�y: 1
                       |  ^
                    1 error
                    """#)
    }

    @Test func `an alias cannot hold itself`() {
        #expect(
            faults(
                #"""
                a: &a [*a]

                """#)
                    == #"""
                    p.yaml:1:8: error: the alias '*a' stands inside its own anchor '&a'
                     1 | a: &a [*a]
                       |        ^~
                    1 error
                    """#)
    }

    @Test func `an empty file holds no policy`() {
        #expect(
            faults(
                "")
                    == #"""
                    p.yaml: error: the file holds no policy; start with 'version: 1'
                    1 error
                    """#)
    }

    @Test func `an empty document is told`() {
        #expect(
            faults(
                #"""
                version: 1
                name: x
                select: [{exe: /a}]
                ---

                """#)
                    == #"""
                    p.yaml:4:1: error: the document that begins here is empty; remove its '---'
                     4 | ---
                       | ^~~
                    1 error
                    """#)
    }

    @Test func `nesting has an end`() {
        #expect(
            faults(
                #"""
                [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[

                """#)
                    == #"""
                    p.yaml:1:65: error: values nest deeper than 64 levels; no policy needs that
                     1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
                       |                                                                 ^
                    1 error
                    """#)
    }

    @Test func `a list is no policy`() {
        #expect(
            faults(
                #"""
                - 1

                """#)
                    == #"""
                    p.yaml:1:1: error: a policy is a mapping of keys, not a list
                     1 | - 1
                       | ^
                    1 error
                    """#)
    }

    @Test func `good documents before a fault of syntax are still checked`() {
        #expect(
            faults(
                #"""
                version: 3
                name: x
                select: [{exe: /a}]
                ---
                a: 'b

                """#)
                    == #"""
                    p.yaml:1:10: error: 'version' is 1, the only version that this build reads, not 3
                     1 | version: 3
                       |          ^
                    p.yaml:5:4: error: the quote that opens here is not closed as it should: found unexpected end of stream
                     5 | a: 'b
                       |    ^
                    2 errors
                    """#)
    }
}
