/// Builds the documents of one YAML text, with its aliases and `<<` merges resolved.
///
/// Faults of structure (duplicate keys, merges of something else) are collected and composing goes on; a fault of
/// syntax ends it, and what was whole before it stays.
struct YAMLComposer {
    /// Deeper nesting is refused.
    static let maximumDepth = 64
    /// More values than this that come out of aliases are refused.
    static let maximumAliasedNodes = 5_000
    /// A file with more values than this is refused.
    static let maximumNodes = 10_000
    /// Documents need no directives; libyaml's time grows with the square of their number.
    static let maximumDirectives = 16
    /// Bytes. A longer line is refused, so that every place can be shown at little cost.
    static let maximumLineLength = 1 << 16

    private(set) var documents: [YAMLNode] = []
    private(set) var diagnostics = DiagnosticList()

    private let source: SourceText
    private var anchors: [String: Anchored] = [:]
    private var aliasedNodes = 0
    private var nodes = 0

    private struct Anchored {
        var composed: Composed
        /// The anchor was met and its value has not ended: an alias inside would contain itself.
        var isOpen: Bool
    }

    /// A node, how many nodes it holds with itself, and how deep it nests.
    private struct Composed {
        var node: YAMLNode
        var count = 1
        var depth = 1
    }

    private struct Stop: Error {
        var diagnostic: Diagnostic
    }

    private init(source: SourceText) {
        self.source = source
    }

    /// All documents of a text, and what is wrong with it.
    static func compose(_ source: SourceText, bytes: [UInt8]) -> YAMLComposer {
        var composer = YAMLComposer(source: source)
        if let line = source.firstLine(longerThan: maximumLineLength) {
            composer.diagnostics.append(.lineTooLong(file: source.name, line: line))
            return composer
        }
        if source.countsMoreDirectives(than: maximumDirectives) {
            composer.diagnostics.append(.tooManyDirectives(file: source.name))
            return composer
        }
        bytes.withUnsafeBufferPointer { buffer in
            guard var parser = YAMLParser(buffer) else {
                composer.diagnostics.append(.outOfMemory(file: source.name))
                return
            }
            do throws(Stop) {
                try composer.readStream(&parser)
            } catch {
                composer.diagnostics.append(error.diagnostic)
            }
        }
        return composer
    }

    private mutating func readStream(_ parser: inout YAMLParser) throws(Stop) {
        while true {
            let event = try next(&parser)
            switch event.kind {
            case .streamEnd: return
            case .documentStart:
                anchors = [:]
                var node = try read(try next(&parser), &parser, depth: 1).node
                if node.isEmpty { node.place = event.place }
                documents.append(node)
            default: continue
            }
        }
    }

    private func next(_ parser: inout YAMLParser) throws(Stop) -> YAMLEvent {
        do throws(YAMLSyntaxError) {
            return try parser.next()
        } catch {
            throw Stop(diagnostic: .syntax(error, in: source))
        }
    }

    private mutating func read(
        _ event: YAMLEvent, _ parser: inout YAMLParser, depth: Int
    ) throws(Stop) -> Composed {
        let place = event.place
        nodes += 1
        if nodes > YAMLComposer.maximumNodes {
            throw Stop(diagnostic: .tooManyValues(source.location(place)))
        }
        if depth > YAMLComposer.maximumDepth { throw Stop(diagnostic: .tooDeep(source.location(place))) }
        switch event.kind {
        case .alias(let name): return try resolve(name, place, depth: depth)
        case .scalar(let text, let plain, let properties):
            let isText = try checkTag(properties.tag, place)
            let composed = Composed(
                node: YAMLNode(content: .scalar(text, plain: plain && !isText), place: place))
            close(properties.anchor, composed)
            return composed
        case .sequenceStart(let properties):
            _ = try checkTag(properties.tag, place)
            open(properties.anchor, place)
            let composed = try readSequence(place, &parser, depth: depth)
            close(properties.anchor, composed)
            return composed
        case .mappingStart(let properties):
            _ = try checkTag(properties.tag, place)
            open(properties.anchor, place)
            let composed = try readMapping(place, &parser, depth: depth)
            close(properties.anchor, composed)
            return composed
        default:
            return Composed(node: YAMLNode(content: .scalar("", plain: true), place: place))
        }
    }

    private mutating func readSequence(
        _ place: YAMLPlace, _ parser: inout YAMLParser, depth: Int
    ) throws(Stop) -> Composed {
        var items: [YAMLNode] = []
        var result = Composed(node: YAMLNode(content: .sequence([]), place: place))
        while true {
            let event = try next(&parser)
            if case .sequenceEnd = event.kind { break }
            let item = try read(event, &parser, depth: depth + 1)
            items.append(item.node)
            result.count += item.count
            result.depth = max(result.depth, item.depth + 1)
        }
        result.node.content = .sequence(items)
        return result
    }

    private mutating func readMapping(
        _ place: YAMLPlace, _ parser: inout YAMLParser, depth: Int
    ) throws(Stop) -> Composed {
        var entries: [YAMLEntry] = []
        var lines: [String: Int] = [:]
        var merged: [YAMLNode] = []
        var result = Composed(node: YAMLNode(content: .mapping([]), place: place))
        while true {
            let event = try next(&parser)
            if case .mappingEnd = event.kind { break }
            let key = try read(event, &parser, depth: depth + 1)
            let value = try read(try next(&parser), &parser, depth: depth + 1)
            result.count += 1 + value.count
            result.depth = max(result.depth, value.depth + 1)
            guard case .scalar(let name, let plain) = key.node.content else {
                diagnostics.append(.keyNotText(source.location(key.node.place)))
                continue
            }
            if name == "<<", plain {
                merged.append(value.node)
            } else if let line = lines[name] {
                diagnostics.append(.duplicateKey(name, firstLine: line, source.location(key.node.place)))
            } else {
                lines[name] = key.node.place.line
                entries.append(YAMLEntry(name: name, place: key.node.place, value: value.node))
            }
        }
        for node in merged { merge(node, into: &entries, known: &lines) }
        result.node.content = .mapping(entries)
        return result
    }

    /// Keys that are written in the mapping itself win, and so does the earlier of several merged mappings.
    private mutating func merge(
        _ node: YAMLNode, into entries: inout [YAMLEntry], known: inout [String: Int]
    ) {
        switch node.content {
        case .mapping(let others):
            for entry in others where known[entry.name] == nil {
                known[entry.name] = entry.place.line
                entries.append(entry)
            }
        case .sequence(let nodes):
            for node in nodes {
                guard case .mapping = node.content else {
                    diagnostics.append(.mergeNotMapping(source.location(node.place)))
                    continue
                }
                merge(node, into: &entries, known: &known)
            }
        case .scalar: diagnostics.append(.mergeNotMapping(source.location(node.place)))
        }
    }

    private mutating func open(_ anchor: String?, _ place: YAMLPlace) {
        guard let anchor else { return }
        let nothing = Composed(node: YAMLNode(content: .scalar("", plain: true), place: place))
        anchors[anchor] = Anchored(composed: nothing, isOpen: true)
    }

    private mutating func close(_ anchor: String?, _ composed: Composed) {
        guard let anchor else { return }
        anchors[anchor] = Anchored(composed: composed, isOpen: false)
    }

    private mutating func resolve(_ name: String, _ place: YAMLPlace, depth: Int) throws(Stop) -> Composed {
        guard let anchored = anchors[name] else {
            throw Stop(diagnostic: .unknownAlias(name, source.location(place)))
        }
        if anchored.isOpen { throw Stop(diagnostic: .aliasOfItself(name, source.location(place))) }
        aliasedNodes += anchored.composed.count
        if aliasedNodes > YAMLComposer.maximumAliasedNodes {
            throw Stop(diagnostic: .aliasBomb(source.location(place)))
        }
        if depth - 1 + anchored.composed.depth > YAMLComposer.maximumDepth {
            throw Stop(diagnostic: .tooDeep(source.location(place)))
        }
        return anchored.composed
    }

    /// True for `!!str`, which asks for text.
    private func checkTag(_ tag: String?, _ place: YAMLPlace) throws(Stop) -> Bool {
        guard let tag else { return false }
        if tag == "tag:yaml.org,2002:str" { return true }
        throw Stop(diagnostic: .leadingIndicator("!", source.location(place), in: source))
    }
}
