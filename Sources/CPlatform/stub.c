// Runs after clone3 in a copy of a process that may have other threads: only raw system calls here, no libc.
#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kernel_abi.h"
#include "syscalls.h"
#include "system_call_numbers.h"

static long clone_with(uint64_t flags, uint64_t exit_signal, int32_t pid)
{
    int32_t set_tid[1] = {pid};
    struct cp_clone_args args = {.flags = flags, .exit_signal = exit_signal};

    if (pid) {
        args.set_tid = (uintptr_t)set_tid;
        args.set_tid_size = 1;
    }
    return cp_syscall(CP_SYS_clone3, (long)&args, sizeof(args), 0, 0, 0, 0);
}

static void close_fd(int fd)
{
    cp_syscall(CP_SYS_close, fd, 0, 0, 0, 0, 0);
}

static _Noreturn void leave(int code)
{
    for (;;) {
        cp_syscall(CP_SYS_exit_group, code, 0, 0, 0, 0, 0);
    }
}

// What the making of a stub takes along on its way.
struct start {
    int32_t pid;
    int32_t session;
    int parent;
    uint64_t namespaces;
    int pid_namespace;
    // Nothing is ever written: who reads notices that the other end is gone.
    int life[2];
    // Brings the number of the stub, which in a pid namespace of its own is not the one that was asked for.
    int told[2];
};

static _Noreturn void stay(const struct start *start)
{
    uint64_t all = ~UINT64_C(0);
    char byte;

    cp_syscall(CP_SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof(all), 0, 0);
    close_fd(start->life[1]);
    cp_syscall(CP_SYS_read, start->life[0], (long)&byte, 1, 0, 0, 0);
    leave(0);
}

// Waits for a process that tells by its exit code how its work went: error numbers fit into one.
static long outcome_of(long helper)
{
    int status = 0;
    long reaped;

    do {
        reaped = cp_syscall(CP_SYS_wait4, helper, (long)&status, __WALL, 0, 0, 0);
    } while (reaped == -EINTR);
    if (reaped < 0) {
        return reaped;
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static long make(const struct start *start, int parent)
{
    // With CLONE_PARENT the kernel takes the caller's own exit signal and wants none here.
    uint64_t flags = CLONE_CLEAR_SIGHAND | start->namespaces | (parent == CP_STUB_SIBLING ? CLONE_PARENT : 0);
    long home = -1, made = 0;
    int32_t number;

    // Where children of this thread are born, which is to be as before when it goes on.
    if (start->pid_namespace >= 0) {
        home = cp_syscall(CP_SYS_openat, AT_FDCWD, (long)"/proc/self/ns/pid", O_RDONLY | O_CLOEXEC, 0, 0, 0);
        made = home < 0 ? home : cp_syscall(CP_SYS_setns, start->pid_namespace, CLONE_NEWPID, 0, 0, 0, 0);
    }
    if (made == 0) {
        made = clone_with(flags, parent == CP_STUB_SIBLING ? 0 : SIGCHLD, start->pid);
        if (made == 0) {
            stay(start);
        }
    }
    if (home >= 0) {
        if (cp_syscall(CP_SYS_setns, home, CLONE_NEWPID, 0, 0, 0, 0) < 0) {
            // Children of ours would be where nobody looks for them.
            leave(EIO);
        }
        close_fd((int)home);
    }
    if (made < 0) {
        return made;
    }
    number = (int32_t)made;
    made = cp_syscall(CP_SYS_write, start->told[1], (long)&number, sizeof(number), 0, 0, 0);
    return made < 0 ? made : 0;
}

// A session cannot be joined: a process with its number makes it, makes the stub as a child of its own parent, and ends.
static long make_in_session(const struct start *start)
{
    long leader = clone_with(CLONE_CLEAR_SIGHAND, SIGCHLD, start->session == CP_STUB_ANY_SESSION ? 0 : start->session);

    if (leader < 0) {
        return leader;
    }
    if (leader == 0) {
        cp_syscall(CP_SYS_setsid, 0, 0, 0, 0, 0, 0);
        leave((int)-make(start, CP_STUB_SIBLING));
    }
    return outcome_of(leader);
}

static long make_orphan(const struct start *start)
{
    long middle = clone_with(CLONE_CLEAR_SIGHAND, SIGCHLD, 0);

    if (middle < 0) {
        return middle;
    }
    if (middle == 0) {
        leave((int)-(start->session ? make_in_session(start) : make(start, CP_STUB_CHILD)));
    }
    return outcome_of(middle);
}

int cp_stub_start(int32_t pid, int32_t session, uint64_t namespaces, int pid_namespace, int parent, int *keep)
{
    struct start start = {
        .pid = pid, .session = session, .parent = parent, .namespaces = namespaces, .pid_namespace = pid_namespace};
    int32_t number = 0;
    long result;

    if (session && parent == CP_STUB_SIBLING) {
        return -EOPNOTSUPP;
    }
    result = cp_syscall(CP_SYS_pipe2, (long)start.life, O_CLOEXEC, 0, 0, 0, 0);
    if (result < 0) {
        return (int)result;
    }
    result = cp_syscall(CP_SYS_pipe2, (long)start.told, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0);
    if (result < 0) {
        close_fd(start.life[0]);
        close_fd(start.life[1]);
        return (int)result;
    }
    result = parent == CP_STUB_ORPHAN ? make_orphan(&start)
             : session ? make_in_session(&start)
                       : make(&start, parent);
    if (result == 0) {
        result = cp_syscall(CP_SYS_read, start.told[0], (long)&number, sizeof(number), 0, 0, 0);
        result = result == sizeof(number) ? number : result < 0 ? result : -ECHILD;
    }
    close_fd(start.told[0]);
    close_fd(start.told[1]);
    close_fd(start.life[0]);
    if (result < 0) {
        close_fd(start.life[1]);
        return (int)result;
    }
    *keep = start.life[1];
    return (int)result;
}

int cp_ended_process(int status)
{
    // Without an exit signal nobody but who waits for it by __WALL notices.
    long made = clone_with(CLONE_CLEAR_SIGHAND, 0, 0);
    siginfo_t info;
    long result;

    if (made == 0) {
        uint64_t none = 0;

        // A limit of 0 would not keep a core dump from a program that core_pattern names.
        cp_syscall(CP_SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
        if (WIFSIGNALED(status)) {
            cp_syscall(CP_SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof(none), 0, 0);
            cp_syscall(CP_SYS_kill, cp_syscall(CP_SYS_getpid, 0, 0, 0, 0, 0, 0), WTERMSIG(status), 0, 0, 0, 0);
        }
        leave(WEXITSTATUS(status));
    }
    if (made < 0) {
        return (int)made;
    }
    do {
        result = cp_syscall(CP_SYS_waitid, P_PID, made, (long)&info, WEXITED | WNOWAIT | __WALL, 0, 0);
    } while (result == -EINTR);
    return (int)(result < 0 ? result : made);
}

static long become_powerless(uint32_t uid, uint32_t gid)
{
    long result;

    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

    result = cp_syscall(CP_SYS_setresgid, gid, gid, gid, 0, 0, 0);
    if (result == 0) {
        result = cp_syscall(CP_SYS_setresuid, uid, uid, uid, 0, 0, 0);
    }
    if (result == 0) {
        result = cp_syscall(CP_SYS_capset, (long)&header, (long)none, 0, 0, 0, 0);
    }
    // Changed ids leave a process that nobody may look at.
    return result ? result : cp_syscall(CP_SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0, 0);
}

static long clone_into(int pid_ns)
{
    long made, own = 0;

    if (pid_ns >= 0) {
        own = cp_syscall(CP_SYS_open, (long)"/proc/thread-self/ns/pid", O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
        if (own < 0) {
            return own;
        }
        made = cp_syscall(CP_SYS_setns, pid_ns, CLONE_NEWPID, 0, 0, 0, 0);
        if (made < 0) {
            close_fd((int)own);
            return made;
        }
    }
    // Without an exit signal nobody but who waits for it by __WALL notices.
    made = clone_with(CLONE_CLEAR_SIGHAND, 0, 0);
    if (pid_ns >= 0 && made != 0) {
        // Our children are to be ours again.
        cp_syscall(CP_SYS_setns, own, CLONE_NEWPID, 0, 0, 0, 0);
        close_fd((int)own);
    }
    return made;
}

int cp_stand_in_start(uint32_t uid, uint32_t gid, int user_ns, int pid_ns)
{
    int ready[2];
    char byte = 0;
    long made, count;

    made = cp_syscall(CP_SYS_pipe2, (long)ready, O_CLOEXEC, 0, 0, 0, 0);
    if (made < 0) {
        return (int)made;
    }
    made = clone_into(pid_ns);
    if (made == 0) {
        if (user_ns >= 0 && cp_syscall(CP_SYS_setns, user_ns, CLONE_NEWUSER, 0, 0, 0, 0) != 0) {
            leave(1);
        }
        if (become_powerless(uid, gid) != 0) {
            leave(1);
        }
        cp_syscall(CP_SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
        close_fd(ready[0]);
        cp_syscall(CP_SYS_write, ready[1], (long)&byte, 1, 0, 0, 0);
        for (;;) {
            cp_syscall(CP_SYS_pause, 0, 0, 0, 0, 0, 0);
        }
    }
    close_fd(ready[1]);
    do {
        count = made < 0 ? 1 : cp_syscall(CP_SYS_read, ready[0], (long)&byte, 1, 0, 0, 0);
    } while (count == -EINTR);
    close_fd(ready[0]);
    if (count == 0) {
        cp_syscall(CP_SYS_wait4, made, 0, __WALL, 0, 0, 0);
        return -EPERM;
    }
    return (int)made;
}
