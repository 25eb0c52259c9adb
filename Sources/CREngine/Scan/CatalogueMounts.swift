extension FindingCode {
    /// CRP36x: mounts of a tree with a mount namespace of its own. Nil for every other code.
    var mountEntry: Entry? {
        switch self {
        case .mountExternal:
            Entry(
                .block, "mount from outside", criu: "ext-mount-map",
                remedy: "allow: {ext-mount-map: {MOUNTPOINT: SOURCE}}",
                "What is mounted there is of a file system that the image does not hold; say where a restore "
                    + "finds it.",
                kernel: "A bind mount shows a directory of a file system that the namespace may not show "
                    + "elsewhere, and its path outside is not kept.",
                restore: "The source is mounted there; what it holds is what it holds then.")
        case .mountUnsupported:
            Entry(
                .block, "file system that is not known", criu: "enable-fs",
                remedy: "allow: {external: [\"enable-fs[FILESYSTEM]\"]}",
                "A restore would have to mount it anew from its name and options alone; allow that, or map "
                    + "the mount to a path outside.",
                kernel: "What a file system needs besides its options is in no table.",
                restore:
                    "It is mounted anew with the options that it had, empty or with what is on its device.")
        case .mountServed:
            Entry(
                .block, "file system of a daemon", criu: "ext-mount-map",
                remedy: "allow: {ext-mount-map: {MOUNTPOINT: SOURCE}}",
                "FUSE and autofs mounts are kept going by a process through a descriptor, which no image holds.",
                kernel:
                    "The connection between mount and daemon ends with the daemon and cannot be made again.",
                restore: "With a mapping, what is at the source then is mounted there.")
        case .mountRootMissing:
            Entry(
                .block, "part of a file system whose root is not mounted", criu: "ext-mount-map",
                remedy: "allow: {ext-mount-map: {MOUNTPOINT: SOURCE}}",
                "The mount shows a part of a file system of which no mount in the namespace shows the whole, "
                    + "so the image cannot hold it (criu: doesn't have a proper root mount).",
                kernel: "A bind mount stays when the mount that it was made from is gone.",
                restore: "With a mapping, what is at the source then is mounted there.")
        case .mountDeleted:
            Entry(
                .block, "bind mount of something deleted", criu: "ext-mount-map",
                remedy: "allow: {ext-mount-map: {MOUNTPOINT: SOURCE}}",
                "What is mounted there has no name any more; take it off, or map it to a path outside.",
                kernel: "A mount keeps what it shows alive after its name is removed.",
                restore: "With a mapping, what is at the source then is mounted there.")
        case .mountSharing:
            Entry(
                .block, "mount with unreachable sharing", criu: "enable-external-masters",
                "The mount receives what is mounted at peers that are neither in the namespace nor where "
                    + "crplan runs; make it private first (mount --make-private MOUNTPOINT).",
                kernel: "A peer group is known by its members only.",
                restore: "None, it blocks.")
        case .mountMaster:
            Entry(
                .block, "mount that receives mounts from outside", criu: "enable-external-masters",
                remedy: "allow: {ext-mount-map: auto, external: [\"mnt[]:m\"]}",
                "The mount receives what is mounted at its peer outside; allow that, or make it private first.",
                kernel: "Propagation binds the mount to a peer group of another namespace.",
                restore: "It is a slave of whatever the source is a peer of then; the root receives nothing.")
        case .mountPeers:
            Entry(
                .block, "mount shared with the outside", criu: "enable-external-sharing",
                remedy: "allow: {ext-mount-map: auto, external: [\"mnt[]:s\"]}",
                "What is mounted in it is mounted outside as well, and the reverse; allow that, or make it "
                    + "private first.",
                kernel: "Members of a peer group pass mounts on to each other, in whatever namespace.",
                restore: "It joins the peer group of its source.")
        case .mountCopied:
            Entry(
                .block, "files in memory that are mounted outside too", criu: "ext-mount-map",
                remedy: "allow: {ext-mount-map: auto}",
                "The tree does not have the file system to itself, as with the host's /dev/shm; the image would "
                    + "take a copy of files that are others', and tree and outside would see different ones "
                    + "from then on.",
                kernel: "A copied mount namespace shows the same file systems as the one it was copied from.",
                restore:
                    "With ext-mount-map: auto, or a mapping, what is mounted outside then. What is covered "
                    + "outside is copied: a file system of its own with the files as they were.")
        case .mountSkipped:
            Entry(
                .allowed, "mount that is left out", criu: "skip-mnt",
                "The restored tree does not have it.",
                kernel: "Nothing needs a mount but who opens paths in it.",
                restore: "What lay under the mount is seen instead.")
        case .mountCovered:
            Entry(
                .block, "root directory with a mount over it",
                "Something is mounted over the root of the namespace; take it off first.",
                kernel: "Paths begin at the mount that was the root when the process got it, and no path "
                    + "leads to what lies over it.",
                restore: "None, it blocks.")
        case .mountTree:
            Entry(
                .block, "mounts that are no tree",
                "The mounts that the root of the tree sees do not hang together: it does not see the root "
                    + "of its namespace.",
                kernel: "/proc/PID/mountinfo shows what is below the task's own root directory.",
                restore: "None, it blocks.")
        default: nil
        }
    }
}
