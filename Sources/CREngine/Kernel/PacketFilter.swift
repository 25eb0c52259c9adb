import CPlatform
import Glibc

/// One conversation with nftables of the kernel. A table that it makes with `flags owner` goes when this value does,
/// whatever becomes of the process; see libnftables(3) and nft(8).
package struct PacketFilter: ~Copyable {
    /// What nftables answered, on one line.
    package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }
    private let context: OpaquePointer

    package init() throws(Failure) {
        // libnftables ends the process where it finds no nftables in the kernel.
        let netfilter = 12
        let family = Int(AF_NETLINK)
        let probe = cp_syscall(CP_SYS_socket, family, 3 | 0o2000000, netfilter, 0, 0, 0)
        if probe < 0 {
            throw Failure(description: "the kernel has no nftables: \(Errno(rawValue: Int32(-probe)))")
        }
        _ = close(Int32(probe))
        guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
            throw Failure(description: "libnftables cannot be used")
        }
        self.context = context
        nft_ctx_buffer_output(context)
        nft_ctx_buffer_error(context)
        nft_ctx_output_set_flags(context, UInt32(NFT_CTX_OUTPUT_NUMERIC_ALL))
    }

    /// Lists have the handle of each object behind it, as a comment.
    package func showHandles() {
        nft_ctx_output_set_flags(context, UInt32(NFT_CTX_OUTPUT_NUMERIC_ALL | NFT_CTX_OUTPUT_HANDLE))
    }

    deinit { nft_ctx_free(context) }

    /// Runs commands of nft(8) as one transaction, and gives what they print.
    @discardableResult
    package func run(_ commands: String) throws(Failure) -> String {
        let result = commands.withCString { nft_run_cmd_from_buffer(context, $0) }
        let output = nft_ctx_get_output_buffer(context).map { String(cString: $0) } ?? ""
        if result == 0 { return output }
        let text = nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? ""
        let line = text.split(separator: "\n").first.map(String.init) ?? "nftables refused"
        throw Failure(description: line)
    }
}
