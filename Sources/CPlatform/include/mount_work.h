// Work in another mount or user namespace, done by children of ours that have one thread.
#ifndef CP_MOUNT_WORK_H
#define CP_MOUNT_WORK_H

#include <stddef.h>
#include <stdint.h>

enum {
    CP_OPEN_TREE_CLONE = 1,
    CP_OPEN_TREE_CLOEXEC = 02000000,
    CP_MOVE_MOUNT_F_EMPTY_PATH = 0x04,
    CP_MOVE_MOUNT_T_EMPTY_PATH = 0x40,
    CP_MOVE_MOUNT_SET_GROUP = 0x100,
    CP_FSCONFIG_SET_FLAG = 0,
    CP_FSCONFIG_SET_STRING = 1,
    CP_FSCONFIG_CMD_CREATE = 6,
    CP_FSCONFIG_CMD_RECONFIGURE = 7,
    CP_RESOLVE_NO_XDEV = 0x01,
    CP_RESOLVE_NO_SYMLINKS = 0x04,
    CP_RESOLVE_BENEATH = 0x08,
};

/// See mount_setattr(2).
struct cp_mount_attr {
    uint64_t attr_set;
    uint64_t attr_clr;
    uint64_t propagation;
    uint64_t userns_fd;
};

/// See openat2(2).
struct cp_open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/// One mount to be cloned, to be taken off, or both, in this order.
struct cp_mount_step {
    /// Absolute, in the namespace.
    const char *path;
    int32_t clones;
    int32_t detaches;
};

/// Walks the steps in a private copy of a mount namespace, which is gone afterwards. `user_ns` is that of the namespace, or -1
/// for ours. `results` gets for each step the descriptor of the clone, whose mount belongs to no namespace and shows nothing
/// that was mounted in it, or a negative error number, or 0. Returns 0 or the negative error number of what came before.
int cp_mounts_clone(int mount_ns, int user_ns, const struct cp_mount_step *steps, size_t count, int32_t *results);

/// Starts a program as root of a user namespace (-1: ours) with descriptors 0 to `count`-1 as given, -1 for /dev/null. It is killed when
/// the calling thread ends. Returns its pid or a negative error number; a program that cannot be executed ends with 127.
int cp_spawn_in_user_ns(int user_ns, const int *fds, int count, char *const argv[], char *const envp[]);

#endif
