import CPlatform

/// Memory of the C messages of one entry while it is put together.
///
/// Messages point to each other, to strings and to arrays; all of them live until the arena goes.
final class MessageArena {
    private var allocations: [UnsafeMutableRawPointer] = []

    deinit { for allocation in allocations { allocation.deallocate() } }

    /// A message set to its defaults by the generated `…__init`.
    func make<Message>(
        _ initialize: (UnsafeMutablePointer<Message>?) -> Void
    ) -> UnsafeMutablePointer<Message> {
        let message = allocate(Message.self, count: 1)
        initialize(message)
        return message
    }

    /// An array for a repeated field of scalars or of messages.
    func array<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
        let start = allocate(Element.self, count: max(elements.count, 1))
        start.initialize(from: elements, count: elements.count)
        return start
    }

    /// An array for a repeated field of messages.
    func array<Message>(
        messages: [UnsafeMutablePointer<Message>]
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<Message>?> {
        array(messages.map { Optional($0) })
    }

    /// A C string.
    func string(_ text: String) -> UnsafeMutablePointer<CChar> {
        array(text.utf8CString.map { $0 })
    }

    /// A value for a field of type bytes.
    func data(_ bytes: [UInt8]) -> ProtobufCBinaryData {
        ProtobufCBinaryData(len: bytes.count, data: array(bytes))
    }

    private func allocate<T>(_ type: T.Type, count: Int) -> UnsafeMutablePointer<T> {
        let start = UnsafeMutablePointer<T>.allocate(capacity: count)
        allocations.append(UnsafeMutableRawPointer(start))
        return start
    }

    /// The packed form of a message that `build` puts together.
    static func pack<Message, Failure: Error>(
        _ build: (MessageArena) throws(Failure) -> UnsafeMutablePointer<Message>
    ) throws(Failure) -> [UInt8] {
        let arena = MessageArena()
        let message = UnsafeRawPointer(try build(arena)).assumingMemoryBound(to: ProtobufCMessage.self)
        let size = protobuf_c_message_get_packed_size(message)
        let packed = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = protobuf_c_message_pack(message, buffer.baseAddress)
        }
        withExtendedLifetime(arena) {}
        return packed
    }
}
