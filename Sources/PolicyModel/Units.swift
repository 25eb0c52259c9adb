/// Units of time, and words that people use for them.
enum DurationUnit {
    static let milliseconds: [String: Int64] = [
        "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
    ]
    /// What was probably meant by another spelling, in lower case.
    static let spellings = [
        "sec": "s", "secs": "s", "second": "s", "seconds": "s", "s": "s", "min": "m", "mins": "m",
        "minute": "m",
        "minutes": "m", "m": "m", "hour": "h", "hours": "h", "hr": "h", "h": "h", "day": "d", "days": "d",
        "d": "d",
        "msec": "ms", "ms": "ms",
    ]
    /// A hundred years.
    static let maximum = Int64(100) * 366 * 86_400_000

    /// The milliseconds of `30s` and the like; nil where it is not one.
    static func parse(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        let digits = text.utf8.prefix { (48...57).contains($0) }
        guard let unit = milliseconds[String(text.dropFirst(digits.count))], let count = Units.number(digits)
        else {
            return nil
        }
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return overflow ? Int64.max : product
    }

    /// As a policy writes it, in the largest unit that divides it: `90m`, `0`. Less than a millisecond is left out.
    static func text(_ duration: Duration) -> String {
        let count = Int64(duration / .milliseconds(1))
        if count == 0 { return "0" }
        let largest = milliseconds.filter { count % $0.value == 0 }.max { $0.value < $1.value }
        return largest.map { "\(count / $0.value)\($0.key)" } ?? "\(count)ms"
    }
}

/// Units of size.
enum SizeUnit {
    static let bytes: [String: Int64] = [
        "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000,
    ]
    /// What was probably meant by another spelling, in lower case.
    static let spellings = [
        "k": "KiB", "m": "MiB", "g": "GiB", "ki": "KiB", "mi": "MiB", "gi": "GiB", "kb": "KB", "mb": "MB",
        "gb": "GB",
        "kib": "KiB", "mib": "MiB", "gib": "GiB",
    ]

    /// The bytes of `512MiB` and the like, `Int64.max` for more than that; nil where it is not one.
    static func parse(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        let digits = text.utf8.prefix { (48...57).contains($0) }
        guard let unit = bytes[String(text.dropFirst(digits.count))], let count = Units.number(digits) else {
            return nil
        }
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return overflow ? Int64.max : product
    }
}

/// Plain decimal numbers.
enum Units {
    /// Nil without digits or with a needless leading zero; `Int64.max` for more than that.
    static func number(_ digits: Substring.UTF8View) -> Int64? {
        guard let first = digits.first, first != 48 || digits.count == 1 else { return nil }
        guard digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(String(Substring(digits))) ?? Int64.max
    }
}
