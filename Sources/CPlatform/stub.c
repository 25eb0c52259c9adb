// Runs after clone3 in a copy of a process that may have other threads: only raw system calls here, no libc.
#include "stub.h"

#include <errno.h>
#include <fcntl.h>
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

static _Noreturn void stay(const int life[2])
{
    uint64_t all = ~UINT64_C(0);
    char byte;

    cp_syscall(CP_SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof(all), 0, 0);
    close_fd(life[1]);
    // Nothing is ever written: the call ends when the other end is gone.
    cp_syscall(CP_SYS_read, life[0], (long)&byte, 1, 0, 0, 0);
    leave(0);
}

static long start(int32_t pid, int parent, const int life[2])
{
    // With CLONE_PARENT the kernel takes the caller's own exit signal and wants none here.
    uint64_t flags = CLONE_CLEAR_SIGHAND | (parent == CP_STUB_SIBLING ? CLONE_PARENT : 0);
    long made = clone_with(flags, parent == CP_STUB_SIBLING ? 0 : SIGCHLD, pid);

    if (made == 0) {
        stay(life);
    }
    return made < 0 ? made : 0;
}

static long start_orphan(int32_t pid, const int life[2])
{
    int status = 0;
    long middle = clone_with(CLONE_CLEAR_SIGHAND, SIGCHLD, 0);
    long reaped;

    if (middle < 0) {
        return middle;
    }
    if (middle == 0) {
        // Error numbers fit into an exit code.
        leave((int)-start(pid, CP_STUB_CHILD, life));
    }
    do {
        reaped = cp_syscall(CP_SYS_wait4, middle, (long)&status, __WALL, 0, 0, 0);
    } while (reaped == -EINTR);
    if (reaped < 0) {
        return reaped;
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

int cp_stub_start(int32_t pid, int parent, int *keep)
{
    int life[2];
    long result = cp_syscall(CP_SYS_pipe2, (long)life, O_CLOEXEC, 0, 0, 0, 0);

    if (result < 0) {
        return (int)result;
    }
    result = parent == CP_STUB_ORPHAN ? start_orphan(pid, life) : start(pid, parent, life);
    close_fd(life[0]);
    if (result < 0) {
        close_fd(life[1]);
        return (int)result;
    }
    *keep = life[1];
    return 0;
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
