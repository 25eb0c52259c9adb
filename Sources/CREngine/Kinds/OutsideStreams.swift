package import PolicyModel

/// What a restore puts in the place of an open file whose other end is outside the tree.
package enum StreamEnding: Equatable, Sendable {
    /// The standard stream of this number of whoever restores.
    case standardStream(Int32)
    /// What --inherit-fd or restore.inherit-fd gives for it.
    case given
    case null
    /// An absolute path.
    case file(String)
    /// A device: its name in the policy, where it was, and its number.
    case device(name: String, path: String, DeviceNumber)
}

/// The rules of `allow.stdio` and `allow.ext-pipes` for one open file. Pure.
package enum OutsideStreams {
    /// What the policy lets a restore do about an open file, and the words for it in reports.
    package struct Rule: Equatable, Sendable {
        package var ending: StreamEnding

        /// A finding of what this rule permits.
        func allowed(_ finding: Finding) -> Finding {
            var finding = finding
            finding.severity = .allowed
            switch ending {
            case .standardStream(let number):
                finding.what +=
                    ", at restore that of whoever restores (\(["stdin", "stdout", "stderr"][Int(number)]))"
            case .given: finding.what += ", at restore what inherit-fd names"
            case .null: finding.what += ", at restore /dev/null"
            case .file(let path), .device(_, let path, _): finding.what += ", at restore \(path)"
            }
            return finding
        }
    }

    /// The rule for an open file that leads out; nil for a denial.
    package static func rule(
        of file: OpenFile, kind: StdioRule.Kind, in context: ScanContext
    ) -> Rule? {
        // As in --inherit-fd, which is to name it: `pipe:[1234]`.
        if context.allow.external.contains(file.link) { return Rule(ending: .given) }
        if let stream = context.standardStream(file) {
            guard let rule = context.allow.stdio.first(where: { $0.kind == kind || $0.kind == .any })
            else { return nil }
            switch rule.onRestore {
            case .inherit: return Rule(ending: .standardStream(stream.fd))
            case .null: return Rule(ending: .null)
            case .file(let path): return Rule(ending: .file(path))
            }
        }
        guard kind == .pipe else { return nil }
        switch context.allow.extPipes {
        case .deny: return nil
        case .inherit: return Rule(ending: .given)
        case .null: return Rule(ending: .null)
        }
    }

    /// The endings of all open files of a tree that lead out and may.
    package static func endings(in context: ScanContext) -> [OpenFileID: StreamEnding] {
        let terminals = TreeTerminals(context.snapshot)
        var endings: [OpenFileID: StreamEnding] = [:]
        for file in context.snapshot.openFiles {
            let kind: StdioRule.Kind
            if let device = ExternalDevice.ending(file, in: context) {
                endings[file.id] = device
                continue
            }
            if let socket = UnixSocket.recognise(file, in: context.snapshot) {
                if case .outside = UnixPeer(of: socket, in: context),
                    let rule = UnixSocket.streamRule(socket, of: file, in: context)
                {
                    endings[file.id] = rule.ending
                }
                continue
            }
            if Pipe.recognise(file, in: context.snapshot) != nil {
                if context.outsiders(file.inode).isEmpty { continue }
                kind = .pipe
            } else {
                switch Terminal.recognise(file, in: context.snapshot) {
                case .slave(let pair) where !terminals.masters.contains(pair): kind = .tty
                case .line: kind = .tty
                default: continue
                }
                if let key = Terminal.externalKey(file), context.allow.external.contains(key) { continue }
            }
            if let rule = rule(of: file, kind: kind, in: context) { endings[file.id] = rule.ending }
        }
        return endings
    }
}
