import CPlatform

/// Where each register state component lies in the standard (not compacted) XSAVE area of a CPU.
///
/// From CPUID leaf 0xD; Intel SDM volume 1, chapter 13. The first 512 bytes are the FXSAVE area, the next 64 the
/// header; components x87 (0) and SSE (1) have their place in the former.
package struct XSAVELayout: Equatable, Sendable {
    package struct Component: Equatable, Sendable {
        /// Bytes from the start of the area.
        package var offset: Int
        /// Bytes.
        package var size: Int
        package init(offset: Int, size: Int) {
            self.offset = offset
            self.size = size
        }
    }
    /// Components that the kernel has enabled (XCR0).
    package var mask: UInt64
    /// Bytes of the whole area.
    package var size: Int
    /// By number of the component, from 2.
    package var components: [Int: Component]

    package static let legacySize = 512
    package static let headerSize = 64
    /// Where the kernel puts its own feature mask (`xstate_fx_sw_bytes`, arch/x86/kernel/fpu).
    package static let featureMaskOffset = 464

    package init(mask: UInt64, size: Int, components: [Int: Component]) {
        self.mask = mask
        self.size = size
        self.components = components
    }

    /// Layout of this CPU. Without XSAVE it has only the FXSAVE area and a header.
    package static func host() -> XSAVELayout {
        let least = legacySize + headerSize
        let mask = cp_enabled_xfeatures()
        var components: [Int: Component] = [:]
        for number in 2..<63 where mask & 1 << number != 0 {
            let leaf = cp_cpuid(0xD, UInt32(number))
            if leaf.eax != 0 { components[number] = Component(offset: Int(leaf.ebx), size: Int(leaf.eax)) }
        }
        return XSAVELayout(
            mask: mask, size: max(Int(cp_cpuid(0xD, 0).ebx), least), components: components)
    }
}
