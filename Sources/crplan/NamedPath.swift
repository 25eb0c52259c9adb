import CREngine
import Glibc

/// What a command line names is opened here, so that an error says what it was.
enum NamedPath {
    struct Failure: Error, CustomStringConvertible {
        let path: String
        let fact: String
        let errno: Errno
        var description: String { "\(path): \(fact): \(errno)" }
    }

    /// A directory of images.
    static func directory(_ path: String) throws(Failure) -> OwnedFD {
        do throws(Errno) {
            return try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        } catch {
            throw Failure(path: path, fact: "the directory of the images cannot be opened", errno: error)
        }
    }

    /// What a file holds.
    static func text(_ path: String) throws(Failure) -> String {
        do throws(Errno) {
            return String(decoding: try OwnedFD.open(path, O_RDONLY).readToEnd(), as: UTF8.self)
        } catch {
            throw Failure(path: path, fact: "the file cannot be read", errno: error)
        }
    }

    /// A log file, new or emptied.
    static func log(_ path: String, level: EngineLog.Level) throws(Failure) -> EngineLog {
        do throws(Errno) {
            return try EngineLog(path: path, level: level)
        } catch {
            throw Failure(path: path, fact: "the log cannot be written", errno: error)
        }
    }
}
