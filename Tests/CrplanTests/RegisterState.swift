import CPlatform
import CREngine
import Glibc
import TestSupport
import Testing

/// Changes an image as no dump on this host would write it.
enum RegisterState {
    /// Makes `core-TID.img` say that a component of the register state is in use that no processor has: number 62.
    static func demandUnknown(in path: String) throws {
        let bytes = try OwnedFD.open(path, O_RDONLY).readToEnd()
        // Two words of magic, then the length of the one message.
        let head = 12
        let unpacked = bytes[head...].withUnsafeBufferPointer {
            core_entry__unpack(nil, $0.count, $0.baseAddress)
        }
        let message = try #require(unpacked)
        defer {
            let base = UnsafeMutableRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
            protobuf_c_message_free_unpacked(base, nil)
        }
        let registers = try #require(message.pointee.thread_info?.pointee.fpregs?.pointee.xsave)
        registers.pointee.xstate_bv |= 1 << 62
        var packed = [UInt8](repeating: 0, count: core_entry__get_packed_size(message))
        core_entry__pack(message, &packed)
        let length = withUnsafeBytes(of: UInt32(packed.count).littleEndian) { Array($0) }
        try OwnedFD.open(path, O_WRONLY | O_TRUNC).writeAll(Array(bytes.prefix(head - 4)) + length + packed)
    }
}
