import Glibc

/// What this host calls a number; nil for one without a name.
enum HostName {
    static func ofUser(_ number: UInt32) -> String? {
        getpwuid(number).map { String(cString: $0.pointee.pw_name) }
    }

    static func ofGroup(_ number: UInt32) -> String? {
        getgrgid(number).map { String(cString: $0.pointee.gr_name) }
    }
}
