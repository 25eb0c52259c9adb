import CPlatform

/// One system call of our own process, begun again when a signal interrupts it.
///
/// Returns the kernel's value. Throws the error that the kernel gave, never EINTR.
@discardableResult
package func systemCall(
    _ number: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
) throws(Errno) -> Int {
    while true {
        do throws(Errno) {
            return try systemCallOnce(number, a, b, c, d, e, f)
        } catch {
            if error != .interrupted { throw error }
        }
    }
}

/// One system call of our own process; EINTR is an error like the others.
@discardableResult
package func systemCallOnce(
    _ number: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
) throws(Errno) -> Int {
    let result = cp_syscall(number, a, b, c, d, e, f)
    if result < 0 && result >= -4095 { throw Errno(rawValue: Int32(-result)) }
    return result
}
