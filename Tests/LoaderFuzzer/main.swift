import Glibc

/// Gives the policy loader damaged files, and ends with 1 at the first that costs too much.
///
/// usage: loader-fuzzer [--inputs N] [--seed N] [--first N] [--print] DIRECTORY|FILE…
///        loader-fuzzer --as-is FILE…
///
/// Each input depends on the seed and its own number alone: `--first N --inputs 1 --print` shows the one that a crash was
/// about. `--as-is` damages nothing and tells what each file costs. The number of the input at hand is kept in the file that CRPLAN_FUZZ_CURRENT names.
var campaign = Campaign()
var paths: [String] = []
var isAsIs = false
var words = CommandLine.arguments.dropFirst()
while let word = words.popFirst() {
    switch word {
    case "--inputs": campaign.count = UInt64(words.popFirst() ?? "") ?? 0
    case "--seed": campaign.seed = UInt64(words.popFirst() ?? "") ?? 0
    case "--first": campaign.first = UInt64(words.popFirst() ?? "") ?? 0
    case "--print": campaign.prints = true
    case "--as-is": isAsIs = true
    default: paths.append(word)
    }
}
if isAsIs { exit(Campaign.weigh(paths) ? 0 : 1) }
campaign.corpus = paths.flatMap(Corpus.read) + Corpus.builtIn
exit(campaign.run() ? 0 : 1)
