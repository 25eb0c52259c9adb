import Testing

@testable import CREngine

@Suite struct VDSOFitTests {
    private func fit(_ bytes: [UInt8]?, _ own: OwnVDSO, dataSize: UInt64? = nil, at place: UInt64 = 0x7000)
        -> VDSOFit
    {
        VDSOFit.of(
            bytes, size: UInt64(bytes?.count ?? 0x1000), dataSize: dataSize ?? own.dataSize, own: own,
            at: place)
    }

    @Test func `our own vdso fits, also with other instructions`() throws {
        let own = try OwnVDSO()
        let functions = try #require(VDSOSymbols.functions(of: own.bytes))
        #expect(functions["__vdso_clock_gettime"] != nil && functions["__vdso_getcpu"] != nil)
        #expect(fit(own.bytes, own) == .same)
        var other = own.bytes
        other[Int(try #require(functions["__vdso_time"]))] ^= 1
        #expect(fit(other, own) == .same)
    }

    @Test func `data of another size makes each function lead to ours`() throws {
        let own = try OwnVDSO()
        let functions = try #require(VDSOSymbols.functions(of: own.bytes))
        guard case .proxy(let contents) = fit(own.bytes, own, dataSize: 0x1000, at: 0x1234_5678_9000) else {
            Issue.record("no proxy")
            return
        }
        for offset in functions.values {
            let place = Int(offset)
            #expect(contents[place] == 0x48 && contents[place + 1] == 0xb8)
            let target = contents[place + 2..<place + 10].reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            }
            #expect(target == 0x1234_5678_9000 + offset)
            #expect(Array(contents[place + 10..<place + 12]) == [0xff, 0xe0])
        }
    }

    @Test func `a function that this kernel has not is a system call, or in the way`() throws {
        let own = try OwnVDSO()
        func renamed(_ from: String, _ to: String) -> [UInt8] {
            var bytes = own.bytes
            let (old, new) = (Array(from.utf8) + [0], Array(to.utf8) + [0])
            for place in 0..<bytes.count - old.count where bytes[place..<place + old.count].elementsEqual(old)
            {
                bytes.replaceSubrange(place..<place + new.count, with: new)
            }
            return bytes
        }
        // One name less: the other name of the same function still leads to ours.
        let unknown = renamed("__vdso_time", "__vdso_tame")
        #expect(
            fit(unknown, own, dataSize: 0x1000) == .none("whose function __vdso_tame this kernel has not"))
        #expect(fit(nil, own, dataSize: 0x1000) == .none("and its image has no page of it"))
    }

    @Test func `damaged bytes are never believed`() throws {
        let own = try OwnVDSO()
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            var bytes = own.bytes
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                bytes[Int.random(in: 0..<2048, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) {
                bytes = Array(bytes.prefix(Int.random(in: 0...4096, using: &generator)))
            }
            _ = fit(bytes, own, dataSize: 0x1000)
        }
    }
}
