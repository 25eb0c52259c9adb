import CPlatform

/// One entry of an image file: a packed message, and where it stood.
struct ImageEntry {
    let file: String
    /// Byte of the file at which the entry begins.
    let offset: Int
    let bytes: [UInt8]

    func error(_ fact: String) -> ImageError { ImageError(file: file, offset: offset, fact) }

    /// Unpacks the message and lends it; all that it points to is gone after `body`.
    ///
    /// `unpack` is the generated `…__unpack`, which refuses malformed messages and such as lack a required field.
    func read<Message, Value>(
        _ unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?) ->
            UnsafeMutablePointer<Message>?,
        _ body: (Message) throws(ImageError) -> Value
    ) throws(ImageError) -> Value {
        let message = bytes.withUnsafeBufferPointer { buffer in
            unpack(nil, buffer.count, buffer.baseAddress)
        }
        guard let message else {
            throw error("entry of \(bytes.count) bytes is damaged or lacks a required field")
        }
        defer {
            let base = UnsafeMutableRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
            protobuf_c_message_free_unpacked(base, nil)
        }
        return try body(message.pointee)
    }

    /// A string of the message, which must be UTF-8.
    func text(_ string: UnsafePointer<CChar>?, _ what: String) throws(ImageError) -> String {
        guard let string, let text = String(validatingCString: string) else {
            throw error("\(what) is not UTF-8 text")
        }
        return text
    }
}

/// The elements of a repeated scalar field.
func scalarList<Scalar: BitwiseCopyable>(_ start: UnsafeMutablePointer<Scalar>?, _ count: Int) -> [Scalar] {
    Array(UnsafeBufferPointer(start: start, count: start == nil ? 0 : count))
}

/// The messages of a repeated message field.
func messageList<Message>(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?, _ count: Int
) -> [Message] {
    UnsafeBufferPointer(start: start, count: start == nil ? 0 : count).compactMap { $0?.pointee }
}

/// The bytes of a field of type bytes.
func dataBytes(_ data: ProtobufCBinaryData) -> [UInt8] { scalarList(data.data, data.len) }

/// The value of an optional scalar field.
func given<Value>(_ has: protobuf_c_boolean, _ value: Value) -> Value? { has != 0 ? value : nil }
