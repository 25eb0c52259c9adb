import CPlatform

// pipes-data.img and fifo-data.img.

extension PipeDataImage {
    /// The entry, which `bytes` follow.
    func packed() -> [UInt8] {
        MessageArena.pack { arena in
            let message = arena.make(pipe_data_entry__init)
            message.pointee.pipe_id = pipe
            message.pointee.bytes = UInt32(bytes.count)
            if let capacity { (message.pointee.has_size, message.pointee.size) = (1, capacity) }
            return message
        }
    }

    /// Reads all rows with their payloads.
    static func readAll(_ reader: consuming ImageFileReader) throws(ImageError) -> [PipeDataImage] {
        var rows: [PipeDataImage] = []
        while let entry = try reader.next() {
            var (row, count) = try entry.read(pipe_data_entry__unpack) {
                (message) throws(ImageError) -> (PipeDataImage, Int) in
                let capacity = given(message.has_size, message.size)
                return (
                    PipeDataImage(pipe: message.pipe_id, bytes: [], capacity: capacity), Int(message.bytes)
                )
            }
            row.bytes = try reader.payload(count)
            rows.append(row)
        }
        return rows
    }
}
