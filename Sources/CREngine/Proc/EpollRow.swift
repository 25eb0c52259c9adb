/// One `tfd:` line of an epoll set's fdinfo; fs/eventpoll.c, ep_show_fdinfo.
package struct EpollRow: Equatable, Sendable {
    /// The number under which the file was added; it may mean another file by now, or none.
    package var fd: Int32
    /// EPOLL*; of an EPOLLONESHOT member that has fired, the modes alone.
    package var events: UInt32
    package var data: UInt64
    package var position: UInt64
    package var inode: UInt64
    /// Kernel encoding, major<<20|minor.
    package var device: UInt32

    /// `tfd:       12 events:       19 data:                c  pos:0 ino:3df9d sdev:f`; nil for any other line.
    package init?(_ line: String) {
        let words = line.split { $0 == " " || $0 == ":" || $0 == "\t" }
        guard words.count == 12, words[0] == "tfd", words[2] == "events", words[4] == "data",
            words[6] == "pos", words[8] == "ino", words[10] == "sdev", let fd = Int32(words[1]),
            let events = UInt32(words[3], radix: 16), let data = UInt64(words[5], radix: 16),
            let position = Int64(words[7]), let inode = UInt64(words[9], radix: 16),
            let device = UInt32(words[11], radix: 16)
        else { return nil }
        self.fd = fd
        self.events = events
        self.data = data
        self.position = UInt64(bitPattern: position)
        self.inode = inode
        self.device = device
    }
}
