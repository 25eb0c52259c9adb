/// The types that are made of others.
extension ValueType {
    /// A list in YAML's sense; an element's key path has its index.
    static func list<Element>(of element: ValueType<Element>, _ elements: String) -> ValueType
    where Value == [Element] {
        var type = ValueType(.list(element.shape)) { node, keyPath, context in
            guard case .sequence(let nodes) = node.content else {
                return context.reject(node) {
                    .notAList(keyPath, of: elements, found: node.kindName, $0)
                }
            }
            return readElements(nodes, element, keyPath, &context)
        }
        type.unsupported = { values, keyPath in
            values.enumerated().flatMap { element.unsupported($1, "\(keyPath)[\($0)]") }
        }
        return type
    }

    /// One value, or a list of them.
    static func oneOrMore<Element>(_ element: ValueType<Element>) -> ValueType where Value == [Element] {
        ValueType(.anyOf([element.shape, .list(element.shape)])) { node, keyPath, context in
            guard case .sequence(let nodes) = node.content else {
                return element.read(node, keyPath, &context).map { [$0] }
            }
            if nodes.isEmpty { return context.reject(node) { .emptyList(keyPath, $0) } }
            return readElements(nodes, element, keyPath, &context)
        }
    }

    /// `true`, `false`, or a list of rules.
    static func ruled<Rule>(_ rule: ValueType<Rule>) -> ValueType where Value == RuledAllowance<Rule> {
        ValueType(.anyOf([.boolean, .list(rule.shape)])) { node, keyPath, context in
            switch node.content {
            case .scalar("true", plain: true): return .all
            case .scalar("false", plain: true): return .denied
            case .sequence(let nodes):
                let rules = readElements(nodes, rule, keyPath, &context)
                return rules.isEmpty ? .denied : .rules(rules)
            case .scalar:
                return context.reject(node) { .notABooleanOrRules(keyPath, node.flowText, $0) }
            case .mapping:
                return context.reject(node) { .notAList(keyPath, of: "rules", found: node.kindName, $0) }
            }
        }
    }

    /// A mapping with keys of the operator's choice.
    static func map<Element>(of element: ValueType<Element>) -> ValueType where Value == [String: Element] {
        ValueType(.map(element.shape)) { node, keyPath, context in
            guard case .mapping(let entries) = node.content else {
                return context.reject(node) {
                    .wrongType(keyPath, expected: "a mapping", found: node.kindName, $0)
                }
            }
            var values: [String: Element] = [:]
            for entry in entries {
                let path = "\(keyPath).\(entry.name)"
                context.record(path, entry.value)
                values[entry.name] = element.read(entry.value, path, &context)
            }
            return values
        }
    }

    private static func readElements<Element>(
        _ nodes: [YAMLNode], _ element: ValueType<Element>, _ keyPath: String,
        _ context: inout DecodingContext
    ) -> [Element] {
        var values: [Element] = []
        for (index, node) in nodes.enumerated() {
            let path = "\(keyPath)[\(index)]"
            context.record(path, node)
            if let value = element.read(node, path, &context) { values.append(value) }
        }
        return values
    }
}
