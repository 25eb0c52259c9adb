import CPlatform
import Glibc

/// One extended attribute of a file, access lists and file capabilities among them. See xattr(7).
package struct ExtendedAttribute: Codable, Equatable, Sendable {
    /// With its namespace, `user.origin`; any bytes but NUL.
    package var name: [UInt8]
    package var value: [UInt8]

    /// XATTR_NAME_MAX and XATTR_SIZE_MAX of linux/limits.h.
    static let longestName = 255
    static let longestValue = 65536

    /// Whether the kernel could have such a one.
    var isPossible: Bool {
        (1...Self.longestName).contains(name.count) && !name.contains(0) && value.count <= Self.longestValue
    }
    /// For messages.
    var text: String { String(decoding: name, as: UTF8.self) }

    /// All that are listed of the file that the path leads to; none where its file system has no such thing.
    static func all(of path: String) throws(Errno) -> [ExtendedAttribute] {
        let names: [UInt8]
        do throws(Errno) {
            names = try read { (buffer, size) throws(Errno) -> Int in
                try on(path) { (path) throws(Errno) -> Int in
                    try systemCall(CP_SYS_listxattr, path, buffer, size)
                }
            }
        } catch {
            if error == .notSupported { return [] }
            throw error
        }
        var result: [ExtendedAttribute] = []
        for name in names.split(separator: 0).map(Array.init) {
            do throws(Errno) {
                result.append(ExtendedAttribute(name: name, value: try value(of: name, on: path)))
            } catch {
                // Gone since.
                if error.rawValue != ENODATA { throw error }
            }
        }
        return result
    }

    /// Gives it to the file that the path leads to, unless the file has it.
    func set(on path: String) throws(Errno) {
        if let present = try? Self.value(of: name, on: path), present == value { return }
        _ = try Self.on(path) { (path) throws(Errno) -> Int in
            try (name + [0]).withUnsafeBufferPointer { (name) throws(Errno) -> Int in
                try value.withUnsafeBufferPointer { (value) throws(Errno) -> Int in
                    try systemCall(
                        CP_SYS_setxattr, path, Int(bitPattern: name.baseAddress),
                        Int(bitPattern: value.baseAddress), value.count)
                }
            }
        }
    }

    private static func value(of name: [UInt8], on path: String) throws(Errno) -> [UInt8] {
        try read { (buffer, size) throws(Errno) -> Int in
            try on(path) { (path) throws(Errno) -> Int in
                try (name + [0]).withUnsafeBufferPointer { (name) throws(Errno) -> Int in
                    try systemCall(
                        CP_SYS_getxattr, path, Int(bitPattern: name.baseAddress), buffer, size)
                }
            }
        }
    }

    /// What a call puts into a buffer, whose address and size it gets. No list and no value is larger.
    private static func read(_ call: (Int, Int) throws(Errno) -> Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: longestValue)
        let count = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Errno) -> Int in
            try call(Int(bitPattern: buffer.baseAddress), buffer.count)
        }
        return Array(bytes[..<count])
    }

    private static func on(_ path: String, _ call: (Int) throws(Errno) -> Int) throws(Errno) -> Int {
        try (Array(path.utf8) + [0]).withUnsafeBufferPointer { (path) throws(Errno) -> Int in
            try call(Int(bitPattern: path.baseAddress))
        }
    }
}
