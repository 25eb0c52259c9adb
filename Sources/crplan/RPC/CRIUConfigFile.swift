import CREngine
import Glibc

/// A configuration file of criu: one long option a line without its dashes, its value behind a blank, `#` before remarks.
enum CRIUConfigFile {
    /// Its options as words of a command line. None for a file that is not there: runc names one that need not be.
    static func words(_ path: String) throws(RPCRefusal) -> [String] {
        let text: String
        do throws(Errno) {
            text = String(decoding: try OwnedFD.open(path, O_RDONLY).readToEnd(limit: 1 << 16), as: UTF8.self)
        } catch {
            if error == .noEntry { return [] }
            throw .options("config_file \(path): cannot be read: \(error)")
        }
        return words(in: text)
    }

    static func words(in text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).flatMap { line -> [String] in
            let content = line.prefix { $0 != "#" }
            let parts = content.split(maxSplits: 1, whereSeparator: \.isWhitespace)
            guard let name = parts.first else { return [] }
            let value = parts.dropFirst().first.map(unquoted) ?? ""
            return [value.isEmpty ? "--\(name)" : "--\(name)=\(value)"]
        }
    }

    private static func unquoted(_ text: Substring) -> String {
        var value = text.drop { $0.isWhitespace }
        while value.last?.isWhitespace == true { value.removeLast() }
        guard let quote = value.first, quote == "\"" || quote == "'", value.count > 1, value.last == quote
        else { return String(value) }
        return String(value.dropFirst().dropLast())
    }
}
