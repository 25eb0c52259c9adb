/// Sizes for people.
enum Size {
    /// `512 B`, `6.2 GiB`.
    static func text(_ bytes: UInt64) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB"]
        if bytes < 1024 { return "\(bytes) B" }
        var value = Double(bytes) / 1024
        var unit = 0
        while value >= 1023.95, unit + 1 < units.count {
            value /= 1024
            unit += 1
        }
        return "\(Decimal1.text(value)) \(units[unit])"
    }
}

/// Times for people.
enum Pause {
    /// `850 us`, `12.4 ms`, `3.1 s`.
    static func text(microseconds: UInt64) -> String {
        switch microseconds {
        case ..<1000: "\(microseconds) us"
        case ..<1_000_000: "\(Decimal1.text(Double(microseconds) / 1000)) ms"
        default: "\(Decimal1.text(Double(microseconds) / 1_000_000)) s"
        }
    }
}

/// One digit after the point below 100, none above.
private enum Decimal1 {
    static func text(_ value: Double) -> String {
        if value >= 99.95 { return "\(Int(value.rounded()))" }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}

/// Numbers with their noun.
enum Counted {
    static func text(_ count: Int, _ one: String, _ many: String) -> String {
        "\(count) \(count == 1 ? one : many)"
    }
}
