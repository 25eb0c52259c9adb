/// What can be wrong with a file as YAML.
extension Diagnostic {
    static func fileTooLarge(file: String, limit: Int) -> Diagnostic {
        Diagnostic(
            file: file, "the file is larger than \(ByteCount(UInt64(limit))), which no policy is; split it")
    }

    static func unreadable(file: String, reason: String) -> Diagnostic {
        Diagnostic(file: file, "the file cannot be read: \(reason)")
    }

    static func emptyDirectory(file: String) -> Diagnostic {
        Diagnostic(file: file, "the directory holds no *.yaml or *.yml; name a file, or put a policy there")
    }

    static func outOfMemory(file: String) -> Diagnostic {
        Diagnostic(file: file, "there is no memory to read the file")
    }

    static func noPolicy(file: String) -> Diagnostic {
        Diagnostic(file: file, "the file holds no policy; start with 'version: 1'")
    }

    static func emptyDocument(_ location: Location) -> Diagnostic {
        Diagnostic(location, "the document that begins here is empty; remove its '---'")
    }

    static func notUTF8(_ location: Location) -> Diagnostic {
        Diagnostic(location, "the file is not UTF-8 from here on; save it as UTF-8")
    }

    static func tooDeep(_ location: Location) -> Diagnostic {
        Diagnostic(
            location, "values nest deeper than \(YAMLComposer.maximumDepth) levels; no policy needs that")
    }

    static func tooManyValues(_ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "the file holds more than \(YAMLComposer.maximumNodes) values up to here, which no policy needs; split it"
        )
    }

    static func lineTooLong(file: String, line: Int) -> Diagnostic {
        let limit = ByteCount(UInt64(YAMLComposer.maximumLineLength))
        return Diagnostic(
            file: file, "line \(line) is longer than \(limit), which no policy needs; break it into several")
    }

    static func tooManyDirectives(file: String) -> Diagnostic {
        Diagnostic(
            file: file,
            "more than \(YAMLComposer.maximumDirectives) lines begin with '%', as directives do; remove them, no policy needs one"
        )
    }

    static func aliasBomb(_ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "aliases stand for more than \(YAMLComposer.maximumAliasedNodes) values here; write the values out"
        )
    }

    static func aliasOfItself(_ name: String, _ location: Location) -> Diagnostic {
        Diagnostic(location, "the alias '*\(name)' stands inside its own anchor '&\(name)'")
    }

    static func unknownAlias(_ name: String, _ location: Location) -> Diagnostic {
        Diagnostic(
            location,
            "an unquoted leading '*' is a YAML alias, and no anchor '&\(name)' stands before it; "
                + "if the value begins with '*', write \(YAMLNode.quoted("*" + name))")
    }

    static func keyNotText(_ location: Location) -> Diagnostic {
        Diagnostic(location, "a key is a list or a mapping; keys are text")
    }

    static func duplicateKey(_ key: String, firstLine: Int, _ location: Location) -> Diagnostic {
        Diagnostic(location, "the key '\(key)' was given on line \(firstLine) already; remove one of them")
    }

    static func mergeNotMapping(_ location: Location) -> Diagnostic {
        Diagnostic(location, "'<<' takes in a mapping, or a list of mappings, by alias: '<<: *name'")
    }

    /// A plain value that begins with a character to which YAML gives a meaning of its own.
    static func leadingIndicator(_ character: Character, _ location: Location, in source: SourceText)
        -> Diagnostic
    {
        let meaning =
            switch character {
            case "*": "is a YAML alias"
            case "!": "is a YAML tag"
            case "%": "is a YAML directive"
            default: "is reserved by YAML"
            }
        let place = YAMLPlace(line: location.mark.line, column: location.mark.column)
        let value = source.rest(from: place)
        return Diagnostic(
            location.shifted(by: 0, length: value.unicodeScalars.count),
            "an unquoted leading '\(character)' \(meaning); put the value in quotes: \(YAMLNode.quoted(value))"
        )
    }

    static func tabIndentation(_ location: Location) -> Diagnostic {
        Diagnostic(location, "a tab cannot indent YAML; use blanks")
    }

    /// What libyaml stopped at, in words that tell the way out where there is one.
    static func syntax(_ error: YAMLSyntaxError, in source: SourceText) -> Diagnostic {
        let location = source.location(error.place)
        for place in [error.contextPlace, error.place].compactMap({ $0 }) {
            let indentation = source.indentation(before: place)
            if indentation.allSatisfy({ $0 == " " || $0 == "\t" }),
                indentation.contains("\t") || source.character(at: place) == "\t"
            {
                let column = indentation.unicodeScalars.prefix { $0 != "\t" }.count + 1
                return .tabIndentation(source.location(YAMLPlace(line: place.line, column: column)))
            }
        }
        if error.context == "while scanning an alias", let place = error.contextPlace {
            return .leadingIndicator("*", source.location(place), in: source)
        }
        if error.context == "while scanning a tag" || error.context == "while parsing a tag"
            || error.problem == "found undefined tag handle",
            let place = error.contextPlace
        {
            return .leadingIndicator("!", source.location(place), in: source)
        }
        if error.context == "while scanning a directive", let place = error.contextPlace {
            return .leadingIndicator("%", source.location(place), in: source)
        }
        if error.problem == "found character that cannot start any token",
            let character = source.character(at: error.place), "@`%".unicodeScalars.contains(character)
        {
            return .leadingIndicator(Character(character), location, in: source)
        }
        return unfitting(error, location, in: source)
    }

    /// Where the text is made of good tokens that do not fit together.
    private static func unfitting(
        _ error: YAMLSyntaxError, _ location: Location, in source: SourceText
    ) -> Diagnostic {
        let start = error.contextPlace.map(source.location) ?? location
        switch (error.problem, error.context) {
        case ("mapping values are not allowed in this context", _):
            return Diagnostic(
                location,
                "a ':' cannot stand here; indent the key like its neighbours, or quote a value that has ': ' in it"
            )
        case ("control characters are not allowed", _):
            return Diagnostic(
                source.location(atByte: error.offset ?? 0), "a control character cannot stand here; remove it"
            )
        case ("could not find expected ':'", _):
            return Diagnostic(start, "a key without its ':'; write 'key: value'")
        case (_, "while scanning a quoted scalar"):
            return Diagnostic(start, "the quote that opens here is not closed as it should: \(error.problem)")
        case ("did not find expected key", "while parsing a block mapping"),
            ("did not find expected '-' indicator", _):
            return Diagnostic(
                location,
                "this does not continue what began on line \(start.mark.line); give the same indentation to what "
                    + "belongs together, and quote a value that begins with a quote, '[' or '{'")
        case (_, "while parsing a flow mapping"), (_, "while parsing a flow sequence"):
            let bracket = error.context.hasSuffix("mapping") ? "{" : "["
            return Diagnostic(
                location,
                "the '\(bracket)' of line \(start.mark.line), column \(start.mark.column) needs a ',' or its end here; "
                    + "quote a value that has one of []{}, in it")
        default:
            let context = error.context.isEmpty ? "" : " (\(error.context))"
            return Diagnostic(location, "this is not YAML: \(error.problem)\(context)")
        }
    }
}
