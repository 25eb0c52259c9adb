import Glibc
import PolicyModel

/// Many inputs one after the other, each held to what it may cost.
struct Campaign {
    /// Thread CPU time, so that a busy machine does no harm.
    static let longestMilliseconds = 100.0
    /// Beyond what the program has when it begins; nothing may pile up either.
    static let mostBytes: UInt64 = 64 << 20

    var count: UInt64 = 10_000
    var seed: UInt64 = 0x5eed
    var first: UInt64 = 0
    var prints = false
    var corpus: [[UInt8]] = []

    /// Whether every input kept within its bounds.
    func run() -> Bool {
        let current =
            getenv("CRPLAN_FUZZ_CURRENT").map { open($0, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600) } ?? -1
        let loader = PolicyLoader()
        var slowest = (milliseconds: 0.0, number: UInt64(0))
        var bad: UInt64 = 0
        // What is built once, at the first use, is not an input's cost.
        for bytes in corpus { _ = Campaign.load(bytes, loader) }
        guard Campaign.limitMemory() else {
            print("loader-fuzzer: the memory cannot be limited")
            return false
        }
        for number in first..<(first + count) {
            var mutation = Mutation(seed: seed, number: number)
            let input = mutation.input(corpus)
            if current >= 0 { pwrite(current, "\(number)\n", "\(number)\n".utf8.count, 0) }
            if prints { print(String(decoding: input, as: UTF8.self)) }
            let begin = Campaign.threadMilliseconds()
            let isGood = Campaign.load(input, loader)
            let spent = Campaign.threadMilliseconds() - begin
            if !isGood { bad += 1 }
            if spent > slowest.milliseconds { slowest = (spent, number) }
            if spent > Campaign.longestMilliseconds {
                print(
                    "loader-fuzzer: input \(number) of seed \(seed) took \(spent) ms of \(input.count) bytes")
                return false
            }
        }
        print(
            "\(count) inputs, \(bad) of them refused; the slowest took \(slowest.milliseconds) ms (number \(slowest.number)); "
                + "at most \(Campaign.peakKiB()) KiB resident")
        return true
    }

    /// Whether files as they are keep within their bounds; tells what each takes.
    static func weigh(_ paths: [String]) -> Bool {
        let files = paths.map { (path: $0, bytes: Corpus.read($0).first ?? []) }
        let loader = PolicyLoader()
        for bytes in Corpus.builtIn { _ = load(bytes, loader) }
        guard limitMemory() else { return false }
        var isGood = true
        for file in files {
            let begin = threadMilliseconds()
            let isRead = load(file.bytes, loader)
            let spent = threadMilliseconds() - begin
            print(
                "\(file.path): \(isRead ? "read" : "refused") in \(spent) ms, \(peakKiB()) KiB resident so far"
            )
            if spent > longestMilliseconds { isGood = false }
        }
        return isGood
    }

    /// False for a file that is refused; every fault must be told in one printable line with its file.
    private static func load(_ bytes: [UInt8], _ loader: PolicyLoader) -> Bool {
        do throws(PolicyError) {
            for policy in try loader.load([PolicyFile(name: "f.yaml", bytes: bytes)]) {
                _ = EffectivePolicy(policy)
                _ = policy.unsupportedKeys()
            }
            return true
        } catch {
            precondition(!error.diagnostics.isEmpty, "refused without a reason")
            let text = error.render()
            precondition(text.hasPrefix("f.yaml:"), "a fault without its file")
            precondition(
                text.unicodeScalars.allSatisfy { $0.value >= 32 || $0 == "\n" || $0 == "\t" },
                "a fault that steers a terminal")
            return false
        }
    }

    /// Address space that is there now, and 64 MiB: an input that wants more ends the program.
    private static func limitMemory() -> Bool {
        guard let pages = statm()?.size else { return false }
        let most = pages * UInt64(sysconf(Int32(_SC_PAGESIZE))) + mostBytes
        var limit = rlimit(rlim_cur: rlim_t(most), rlim_max: rlim_t(most))
        return setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0
    }

    private static func statm() -> (size: UInt64, resident: UInt64)? {
        guard let file = fopen("/proc/self/statm", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, 255, file) != nil else { return nil }
        let words = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.split(separator: 0x20).prefix(2)
        let numbers = words.compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
    }

    private static func peakKiB() -> Int {
        var usage = rusage()
        getrusage(RUSAGE_SELF, &usage)
        return usage.ru_maxrss
    }

    private static func threadMilliseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1e6
    }
}
