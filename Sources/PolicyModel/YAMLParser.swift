internal import CPlatform

/// What libyaml says next of a text.
struct YAMLEvent {
    enum Kind {
        case streamStart
        case streamEnd
        case documentStart
        case documentEnd
        case alias(String)
        case scalar(String, plain: Bool, YAMLProperties)
        case sequenceStart(YAMLProperties)
        case sequenceEnd
        case mappingStart(YAMLProperties)
        case mappingEnd
    }
    var kind: Kind
    var place: YAMLPlace
}

/// What may stand before a YAML value.
struct YAMLProperties {
    var anchor: String?
    var tag: String?
}

/// Where and why libyaml could not go on.
struct YAMLSyntaxError: Error {
    /// libyaml's own words.
    var problem: String
    /// libyaml's own words, or empty.
    var context: String
    /// Where it stopped.
    var place: YAMLPlace
    /// Where what it was reading began, if known.
    var contextPlace: YAMLPlace?
    /// The byte where it stopped, where the bytes themselves are at fault.
    var offset: Int?
}

/// libyaml's event parser over bytes that outlive it.
struct YAMLParser: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    /// Nil when there is no memory.
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            return nil
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
        self.parser = parser
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The next event. libyaml's marks count from 0, ours from 1.
    mutating func next() throws(YAMLSyntaxError) -> YAMLEvent {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxError }
        defer { yaml_event_delete(&event) }
        let start = event.start_mark
        let end = event.end_mark
        let length = start.line == end.line && end.column > start.column ? end.column - start.column : 1
        let place = YAMLPlace(line: Int(start.line) + 1, column: Int(start.column) + 1, length: Int(length))
        return YAMLEvent(kind: YAMLParser.kind(of: event), place: place)
    }

    private static func kind(of event: yaml_event_t) -> YAMLEvent.Kind {
        switch event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return .alias(text(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let value = String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            let properties = YAMLProperties(anchor: text(scalar.anchor), tag: text(scalar.tag))
            return .scalar(value, plain: scalar.style == YAML_PLAIN_SCALAR_STYLE, properties)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return .sequenceStart(YAMLProperties(anchor: text(start.anchor), tag: text(start.tag)))
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return .mappingStart(YAMLProperties(anchor: text(start.anchor), tag: text(start.tag)))
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        default: return .streamEnd
        }
    }

    private static func text(_ pointer: UnsafeMutablePointer<UInt8>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    private var syntaxError: YAMLSyntaxError {
        let state = parser.pointee
        let context = state.context.map { String(cString: $0) } ?? ""
        return YAMLSyntaxError(
            problem: state.problem.map { String(cString: $0) } ?? "out of memory", context: context,
            place: YAMLParser.place(state.problem_mark),
            contextPlace: context.isEmpty ? nil : YAMLParser.place(state.context_mark),
            offset: state.error == YAML_READER_ERROR ? Int(state.problem_offset) : nil)
    }

    private static func place(_ mark: yaml_mark_t) -> YAMLPlace {
        YAMLPlace(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }
}
