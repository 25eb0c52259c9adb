/// One damaged file, which depends on a seed and a number alone (splitmix64).
struct Mutation: RandomNumberGenerator {
    /// Bytes. What the loader makes of larger files is tested by files of their own.
    private static let longest = 16 << 10
    private var state: UInt64

    init(seed: UInt64, number: UInt64) {
        state = seed
        state = next() ^ number
        state = next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    mutating func input(_ corpus: [[UInt8]]) -> [UInt8] {
        var bytes = corpus.randomElement(using: &self) ?? []
        for _ in 0..<(1 << Int.random(in: 0...4, using: &self)) { damage(&bytes, corpus) }
        return Array(bytes.prefix(Mutation.longest))
    }

    private mutating func damage(_ bytes: inout [UInt8], _ corpus: [[UInt8]]) {
        let place = Int.random(in: 0...bytes.count, using: &self)
        let reach = Bool.random(using: &self) ? 8 : 200
        let end = min(bytes.count, place + Int.random(in: 0...reach, using: &self))
        switch Int.random(in: 0..<7, using: &self) {
        case 0: bytes.removeSubrange(place..<end)
        case 1:
            bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &self))
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &self), at: place)
        case 3 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &self)
        case 4:
            let other = corpus.randomElement(using: &self) ?? []
            let from = Int.random(in: 0...other.count, using: &self)
            bytes.insert(contentsOf: other[from...].prefix(reach), at: place)
        case 5:
            let times = Int.random(in: 1...40, using: &self)
            let piece = Array(bytes[place..<end])
            for _ in 0..<times where bytes.count < Mutation.longest {
                bytes.insert(contentsOf: piece, at: place)
            }
        default: bytes.insert(contentsOf: Corpus.pieces.randomElement(using: &self) ?? [], at: place)
        }
    }
}
