// Runs after clone3 in a copy of a process that may have other threads: only raw system calls in the children, no libc.
#include "mount_work.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kernel_abi.h"
#include "syscalls.h"
#include "system_call_numbers.h"

#define FIRST_OWN_FD 100

static long clone_with(uint64_t flags)
{
    struct cp_clone_args args = {.flags = flags | CLONE_CLEAR_SIGHAND};

    return cp_syscall(CP_SYS_clone3, (long)&args, sizeof(args), 0, 0, 0, 0);
}

static _Noreturn void leave(long result)
{
    for (;;) {
        cp_syscall(CP_SYS_exit_group, result < 0 ? -result : result, 0, 0, 0, 0, 0);
    }
}

static long clone_mount(const char *path)
{
    long flags = CP_OPEN_TREE_CLONE | CP_OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    long result = cp_syscall(CP_SYS_open_tree, AT_FDCWD, (long)path, flags, 0, 0, 0);

    // A mount with others in it that are locked comes with them only.
    return result == -EINVAL ? cp_syscall(CP_SYS_open_tree, AT_FDCWD, (long)path, flags | AT_RECURSIVE, 0, 0, 0) : result;
}

static long enter_copy(int mount_ns, int user_ns)
{
    long result = 0;

    // Mounts of a namespace of another user namespace than the caller's are locked in a copy.
    if (user_ns >= 0) {
        result = cp_syscall(CP_SYS_setns, user_ns, CLONE_NEWUSER, 0, 0, 0, 0);
    }
    if (result == 0) {
        result = cp_syscall(CP_SYS_setns, mount_ns, CLONE_NEWNS, 0, 0, 0, 0);
    }
    if (result == 0) {
        result = cp_syscall(CP_SYS_unshare, CLONE_NEWNS, 0, 0, 0, 0, 0);
    }
    if (result == 0) {
        result = cp_syscall(CP_SYS_mount, 0, (long)"/", 0, MS_REC | MS_PRIVATE, 0, 0);
    }
    return result;
}

static void walk(const struct cp_mount_step *steps, size_t count, int32_t *results)
{
    for (size_t i = 0; i < count; i++) {
        long done;

        results[i] = steps[i].clones ? (int32_t)clone_mount(steps[i].path) : 0;
        if (steps[i].detaches) {
            done = cp_syscall(CP_SYS_umount2, (long)steps[i].path, MNT_DETACH | UMOUNT_NOFOLLOW, 0, 0, 0, 0);
            if (done < 0 && results[i] == 0) {
                results[i] = (int32_t)done;
            }
        }
    }
}

int cp_mounts_clone(int mount_ns, int user_ns, const struct cp_mount_step *steps, size_t count, int32_t *results)
{
    // The child shares our descriptors and this, nothing else.
    size_t size = count * sizeof(*results);
    int32_t *shared = mmap(0, size + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    long made, reaped;

    if (shared == MAP_FAILED) {
        return -errno;
    }
    made = clone_with(CLONE_FILES);
    if (made == 0) {
        long entered;

        cp_syscall(CP_SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
        entered = enter_copy(mount_ns, user_ns);
        if (entered == 0) {
            walk(steps, count, shared);
        }
        leave(entered);
    }
    if (made > 0) {
        do {
            reaped = cp_syscall(CP_SYS_wait4, made, (long)&status, __WALL, 0, 0, 0);
        } while (reaped == -EINTR);
        made = reaped < 0 ? reaped : WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
        for (size_t i = 0; i < count; i++) {
            results[i] = shared[i];
        }
    }
    munmap(shared, size + 1);
    return (int)made;
}

static long place_descriptors(const int *fds, int count)
{
    long result = 0;

    // First all of them out of the way of each other.
    for (int i = 0; i < count && result >= 0; i++) {
        long from = fds[i] >= 0 ? fds[i] : cp_syscall(CP_SYS_open, (long)"/dev/null", O_RDWR, 0, 0, 0, 0);

        result = from < 0 ? from : cp_syscall(CP_SYS_fcntl, from, F_DUPFD, FIRST_OWN_FD + i, 0, 0, 0);
        if (result >= 0 && result != FIRST_OWN_FD + i) {
            result = cp_syscall(CP_SYS_dup3, result, FIRST_OWN_FD + i, 0, 0, 0, 0);
        }
    }
    for (int i = 0; i < count && result >= 0; i++) {
        result = cp_syscall(CP_SYS_dup3, FIRST_OWN_FD + i, i, 0, 0, 0, 0);
    }
    if (result >= 0) {
        result = cp_syscall(CP_SYS_close_range, count, ~0U, 0, 0, 0, 0);
    }
    return result;
}

static long become_root_of(int user_ns)
{
    long result = cp_syscall(CP_SYS_setns, user_ns, CLONE_NEWUSER, 0, 0, 0, 0);

    if (result < 0) {
        return result;
    }
    // A namespace may forbid setgroups; what is left of our groups does not count for root.
    cp_syscall(CP_SYS_setgroups, 0, 0, 0, 0, 0, 0);
    result = cp_syscall(CP_SYS_setresgid, 0, 0, 0, 0, 0, 0);
    return result < 0 ? result : cp_syscall(CP_SYS_setresuid, 0, 0, 0, 0, 0, 0);
}

int cp_spawn_in_user_ns(int user_ns, const int *fds, int count, char *const argv[], char *const envp[])
{
    uint64_t none = 0;
    long made = clone_with(0);
    long result = 0;

    if (made != 0) {
        return (int)made;
    }
    if (user_ns >= 0) {
        result = become_root_of(user_ns);
    }
    // After the change of ids, which clears it.
    cp_syscall(CP_SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    if (result >= 0) {
        result = place_descriptors(fds, count);
    }
    if (result >= 0) {
        cp_syscall(CP_SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof(none), 0, 0);
        cp_syscall(CP_SYS_execve, (long)argv[0], (long)argv, (long)envp, 0, 0, 0);
    }
    leave(127);
}
