import CPlatform

/// A SHA-256 digest, in lower-case hexadecimal.
package struct Digest: Hashable, Sendable, Codable, CustomStringConvertible {
    package let hexadecimal: String

    /// Nil unless the text is 64 lower-case hexadecimal digits.
    package init?(hexadecimal: String) {
        let digits = hexadecimal.utf8
        guard digits.count == 64, digits.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else {
            return nil
        }
        self.hexadecimal = hexadecimal
    }

    fileprivate init(bytes: [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        hexadecimal = String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = Digest(hexadecimal: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is not a SHA-256 digest")
        }
        self = digest
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hexadecimal)
    }

    package var description: String { hexadecimal }

    /// The digest of bytes in memory.
    package static func of(_ bytes: [UInt8]) throws(StoreError) -> Digest {
        let stream = try DigestStream()
        bytes.withUnsafeBytes { stream.add($0) }
        return stream.finish()
    }

    /// The digest of an open file from its present offset to its end, and how many bytes that is.
    package static func ofFile(
        _ file: borrowing OwnedFD, name: String
    ) throws(StoreError) -> (digest: Digest, size: UInt64) {
        let stream = try DigestStream()
        var size: UInt64 = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: pageSize)
        defer { buffer.deallocate() }
        while true {
            let count: Int
            do throws(Errno) {
                count = try file.read(into: buffer)
            } catch {
                throw StoreError(.failed, name, "cannot be read", errno: error)
            }
            if count == 0 { return (stream.finish(), size) }
            stream.add(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            size += UInt64(count)
        }
    }
}

/// A SHA-256 computation that takes its input in pieces, by OpenSSL. See EVP_DigestInit(3).
struct DigestStream: ~Copyable {
    private let context: OpaquePointer

    /// Throws where libcrypto cannot give SHA-256: out of memory, or a provider configuration without it.
    init() throws(StoreError) {
        guard let context = EVP_MD_CTX_new() else {
            throw StoreError(.failed, "SHA-256", "libcrypto has no memory for it")
        }
        if EVP_DigestInit_ex(context, EVP_sha256(), nil) != 1 {
            EVP_MD_CTX_free(context)
            throw StoreError(
                .failed, "SHA-256", "libcrypto does not offer it",
                remedy: "check the providers in /etc/ssl/openssl.cnf")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    func add(_ bytes: UnsafeRawBufferPointer) {
        let result = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
        precondition(result == 1, "a digest that was begun takes bytes until it is finished")
    }

    /// Ends the computation.
    consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let result = EVP_DigestFinal_ex(context, &bytes, &length)
        precondition(result == 1 && length == 32, "a digest is finished once and has 32 bytes")
        return Digest(bytes: bytes)
    }
}
