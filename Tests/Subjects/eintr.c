#include "subject.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// One blocked call: `prepare` makes its objects, `block` makes the call in a thread of its own, `release` makes it end
// after the check was asked for (NULL: its timeout does), `verify` judges the result. `expected` is the result of most.
struct call {
    const char *name;
    long number;
    void (*prepare)(void);
    long (*block)(void);
    void (*release)(void);
    long expected;
    int expected_errno;
    int64_t at_least_ns;
};

enum { wait_seconds = 3, transfer_size = 1 << 20 };

static int ends[2], word, identifier, locked_file;
static pid_t child;
static pthread_t caller;
static pid_t caller_tid;
static char *transfer;
static volatile sig_atomic_t handled;
static struct timespec duration = {wait_seconds, 0};
static struct timespec deadline;

static void make_pipe(void) { MUST(pipe2(ends, O_CLOEXEC)); }
static void make_pair(void) { MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)); }
static void write_byte(void) { CHECK(write(ends[1], "x", 1) == 1, "write: %s", strerror(errno)); }

static long sleep_without_rest(void) { return syscall(SYS_nanosleep, &duration, NULL); }
static long sleep_with_rest(void)
{
    struct timespec rest;
    return syscall(SYS_nanosleep, &duration, &rest);
}
static long sleep_into_itself(void)
{
    struct timespec both = duration;
    return syscall(SYS_nanosleep, &both, &both);
}
static long sleep_relative(void) { return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &duration, NULL); }
static void make_deadline(void)
{
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += wait_seconds;
}
static long sleep_absolute(void)
{
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
}

static long poll_for_ever(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    return syscall(SYS_poll, &one, 1, -1);
}
static long poll_timed(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    return syscall(SYS_poll, &one, 1, wait_seconds * 1000);
}
static long ppoll_timed(void)
{
    struct pollfd one = {ends[0], POLLIN, 0};
    struct timespec left = duration;
    return syscall(SYS_ppoll, &one, 1, &left, NULL, 0);
}
static long select_for_ever(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, NULL);
}
static long select_timed(void)
{
    fd_set set;
    struct timeval left = {wait_seconds, 0};
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, &left);
}
static long pselect_timed(void)
{
    fd_set set;
    struct timespec left = duration;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return syscall(SYS_pselect6, ends[0] + 1, &set, NULL, NULL, &left, NULL);
}

static void make_epoll(void)
{
    make_pipe();
    identifier = MUST(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(identifier, EPOLL_CTL_ADD, ends[0], &event));
}
static long epoll_for_ever(void)
{
    struct epoll_event event;
    return syscall(SYS_epoll_wait, identifier, &event, 1, -1);
}
static long epoll_timed(void)
{
    struct epoll_event event;
    return syscall(SYS_epoll_wait, identifier, &event, 1, wait_seconds * 1000);
}

static long futex_for_ever(void) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL); }
static long futex_timed(void) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &duration); }
static long futex_bitset(void)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}
static void wake(void)
{
    word = 1;
    MUST(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1));
}

static long read_pipe(void)
{
    char byte;
    return syscall(SYS_read, ends[0], &byte, 1);
}
static void make_transfer(void)
{
    make_pipe();
    transfer = malloc(transfer_size);
    pattern_fill(transfer, transfer_size, 1);
}
// A stop may end a transfer early, with the count of what was done: the caller goes on from there, as all callers must.
static long write_all(void)
{
    for (long done = 0; done < transfer_size;) {
        long length = syscall(SYS_write, ends[1], transfer + done, transfer_size - done);
        if (length <= 0) return length;
        done += length;
    }
    return transfer_size;
}
// A write that a full pipe has no room for, and that is done whole or not at all: it must return all, once.
enum { atomic_size = 4096 };
static int pipe_size;
static void make_full_pipe(void)
{
    make_pipe();
    pipe_size = MUST(fcntl(ends[1], F_GETPIPE_SZ));
    transfer = malloc(pipe_size + atomic_size);
    pattern_fill(transfer, pipe_size + atomic_size, 1);
    CHECK(write(ends[1], transfer, pipe_size) == pipe_size, "write: %s", strerror(errno));
}
static long write_atomic(void) { return syscall(SYS_write, ends[1], transfer + pipe_size, atomic_size); }
static void drain_full_pipe(void)
{
    char *received = malloc(pipe_size + atomic_size);
    for (int got = 0; got < pipe_size + atomic_size;) {
        ssize_t length = read(ends[0], received + got, pipe_size + atomic_size - got);
        CHECK(length > 0, "the writer stopped after %d bytes", got);
        got += length;
    }
    pattern_check(received, pipe_size + atomic_size, 1, "bytes through the full pipe");
}
static void drain(void)
{
    char *received = malloc(transfer_size);
    for (size_t got = 0; got < transfer_size;) {
        ssize_t length = read(ends[0], received + got, transfer_size - got);
        CHECK(length > 0, "the writer stopped after %zu bytes", got);
        got += length;
    }
    pattern_check(received, transfer_size, 1, "bytes through the pipe");
}

static void wait_for_byte(void *argument)
{
    (void)argument;
    char byte;
    close(ends[1]);
    child_ready();
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) continue;
    _exit(9);
}
static void make_child(void)
{
    make_pipe();
    child = child_start(wait_for_byte, NULL);
}
static long wait_child(void)
{
    int status = 0;
    long result = syscall(SYS_wait4, child, &status, 0, NULL);
    return result == child && status == 9 << 8 ? 0 : result;
}
static long waitid_child(void)
{
    siginfo_t info = {0};
    long result = syscall(SYS_waitid, P_PID, child, &info, WEXITED, NULL);
    return result == 0 && (info.si_pid != child || info.si_status != 9) ? 1 : result;
}

static void block_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}
static void send_signal(void)
{
    CHECK(pthread_kill(caller, SIGUSR1) == 0, "pthread_kill");
}
static long wait_signal(void)
{
    uint64_t set = (uint64_t)1 << (SIGUSR1 - 1);
    return syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8);
}
static long wait_signal_timed(void)
{
    uint64_t set = (uint64_t)1 << (SIGUSR1 - 1);
    return syscall(SYS_rt_sigtimedwait, &set, NULL, &duration, 8);
}
static void on_signal(int signal)
{
    (void)signal;
    handled++;
}
static void install_handler(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    MUST(sigaction(SIGUSR1, &action, NULL));
}
// These two end with EINTR by their nature; what counts is that the handler ran first, once.
static long pause_call(void)
{
    long result = syscall(SYS_pause);
    return result == -1 && errno == EINTR && handled == 1 ? 0 : 1;
}
static long suspend_call(void)
{
    uint64_t none = 0;
    long result = syscall(SYS_rt_sigsuspend, &none, 8);
    return result == -1 && errno == EINTR && handled == 1 ? 0 : 1;
}
static void prepare_suspend(void)
{
    install_handler();
    block_signal();
}

struct message {
    long type;
    char text[8];
};
static void make_queue(void) { identifier = MUST(msgget(IPC_PRIVATE, 0600)); }
static long receive_message(void)
{
    struct message message;
    long result = syscall(SYS_msgrcv, identifier, &message, sizeof message.text, 0, 0);
    int error = errno;
    msgctl(identifier, IPC_RMID, NULL);
    errno = error;
    return result;
}
static void send_message(void)
{
    struct message message = {1, "hello"};
    MUST(msgsnd(identifier, &message, 5, 0));
}
static void make_semaphore(void) { identifier = MUST(semget(IPC_PRIVATE, 1, 0600)); }
static long with_semaphore(const struct timespec *timeout)
{
    struct sembuf down = {0, -1, 0};
    long result = timeout ? syscall(SYS_semtimedop, identifier, &down, 1, timeout)
                          : syscall(SYS_semop, identifier, &down, 1);
    int error = errno;
    semctl(identifier, 0, IPC_RMID);
    errno = error;
    return result;
}
static long semaphore_for_ever(void) { return with_semaphore(NULL); }
static long semaphore_timed(void) { return with_semaphore(&duration); }
static void raise_semaphore(void)
{
    struct sembuf up = {0, 1, 0};
    MUST(semop(identifier, &up, 1));
}

static void make_timed_pair(void)
{
    make_pair();
    // Longer than any run, which the byte ends.
    struct timeval limit = {100 * wait_seconds, 0};
    MUST(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
}
static long receive(void)
{
    char byte;
    return syscall(SYS_recvfrom, ends[0], &byte, 1, 0, NULL, NULL);
}
static void make_partial_pair(void)
{
    make_pair();
    CHECK(write(ends[1], "abc", 3) == 3, "write: %s", strerror(errno));
}
static long receive_all(void)
{
    char bytes[10];
    return syscall(SYS_recvfrom, ends[0], bytes, 10, MSG_WAITALL, NULL, NULL);
}
static void send_rest(void) { CHECK(write(ends[1], "defghij", 7) == 7, "write: %s", strerror(errno)); }

static void lock_until_byte(void *argument)
{
    int fd = MUST(open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    MUST(flock(fd, LOCK_EX));
    wait_for_byte(argument);
}
static void make_lock(void)
{
    make_pipe();
    child = child_start(lock_until_byte, NULL);
    locked_file = MUST(open("locked", O_RDWR | O_CLOEXEC));
}
static long lock_file(void) { return syscall(SYS_flock, locked_file, LOCK_EX); }

static const int64_t whole = wait_seconds * (int64_t)1000000000;
// The deadline was taken a little before the call.
static const int64_t nearly = wait_seconds * (int64_t)990000000;
static const struct call calls[] = {
    {"nanosleep", SYS_nanosleep, NULL, sleep_without_rest, NULL, 0, 0, whole},
    {"nanosleep-rest", SYS_nanosleep, NULL, sleep_with_rest, NULL, 0, 0, whole},
    {"nanosleep-same", SYS_nanosleep, NULL, sleep_into_itself, NULL, 0, 0, whole},
    {"clock_nanosleep", SYS_clock_nanosleep, NULL, sleep_relative, NULL, 0, 0, whole},
    {"clock_nanosleep-absolute", SYS_clock_nanosleep, make_deadline, sleep_absolute, NULL, 0, 0, nearly},
    {"poll", SYS_poll, make_pipe, poll_for_ever, write_byte, 1, 0, 0},
    {"poll-timed", SYS_poll, make_pipe, poll_timed, NULL, 0, 0, whole},
    {"ppoll-timed", SYS_ppoll, make_pipe, ppoll_timed, NULL, 0, 0, whole},
    {"select", SYS_select, make_pipe, select_for_ever, write_byte, 1, 0, 0},
    {"select-timed", SYS_select, make_pipe, select_timed, NULL, 0, 0, whole},
    {"pselect-timed", SYS_pselect6, make_pipe, pselect_timed, NULL, 0, 0, whole},
    {"epoll_wait", SYS_epoll_wait, make_epoll, epoll_for_ever, write_byte, 1, 0, 0},
    {"epoll_wait-timed", SYS_epoll_wait, make_epoll, epoll_timed, NULL, 0, 0, whole},
    {"futex", SYS_futex, NULL, futex_for_ever, wake, 0, 0, 0},
    {"futex-timed", SYS_futex, NULL, futex_timed, NULL, -1, ETIMEDOUT, whole},
    {"futex-bitset", SYS_futex, make_deadline, futex_bitset, NULL, -1, ETIMEDOUT, nearly},
    {"read", SYS_read, make_pipe, read_pipe, write_byte, 1, 0, 0},
    {"write", SYS_write, make_transfer, write_all, drain, transfer_size, 0, 0},
    {"write-atomic", SYS_write, make_full_pipe, write_atomic, drain_full_pipe, atomic_size, 0, 0},
    {"wait4", SYS_wait4, make_child, wait_child, write_byte, 0, 0, 0},
    {"waitid", SYS_waitid, make_child, waitid_child, write_byte, 0, 0, 0},
    {"sigwaitinfo", SYS_rt_sigtimedwait, block_signal, wait_signal, send_signal, SIGUSR1, 0, 0},
    {"sigtimedwait", SYS_rt_sigtimedwait, block_signal, wait_signal_timed, NULL, -1, EAGAIN, whole},
    {"pause", SYS_pause, install_handler, pause_call, send_signal, 0, 0, 0},
    {"sigsuspend", SYS_rt_sigsuspend, prepare_suspend, suspend_call, send_signal, 0, 0, 0},
    {"msgrcv", SYS_msgrcv, make_queue, receive_message, send_message, 5, 0, 0},
    {"semop", SYS_semop, make_semaphore, semaphore_for_ever, raise_semaphore, 0, 0, 0},
    {"semtimedop", SYS_semtimedop, make_semaphore, semaphore_timed, NULL, -1, EAGAIN, whole},
    {"recv-timed", SYS_recvfrom, make_timed_pair, receive, write_byte, 1, 0, 0},
    {"recv-waitall", SYS_recvfrom, make_partial_pair, receive_all, send_rest, 10, 0, 0},
    {"flock", SYS_flock, make_lock, lock_file, write_byte, 0, 0, 0},
};
static const size_t call_count = sizeof calls / sizeof calls[0];

struct outcome {
    long result;
    int error;
    int64_t took;
};

static void *run_call(void *argument)
{
    const struct call *call = argument;
    static struct outcome outcome;
    __atomic_store_n(&caller_tid, gettid(), __ATOMIC_RELEASE);
    int64_t start = monotonic_ns();
    errno = 0;
    outcome.result = call->block();
    outcome.error = errno;
    outcome.took = monotonic_ns() - start;
    // A thread that is gone would look like a tree that was harmed.
    subject_await_check();
    return &outcome;
}

void eintr(int argc, char **argv)
{
    const struct call *call = NULL;
    for (size_t i = 0; i < call_count; i++)
        if (argc == 2 && strcmp(argv[1], calls[i].name) == 0) call = &calls[i];
    if (!call) {
        fprintf(stderr, "usage: eintr CALL, one of:");
        for (size_t i = 0; i < call_count; i++) fprintf(stderr, " %s", calls[i].name);
        fprintf(stderr, "\n");
        subject_fail("no such call");
    }
    if (call->prepare) call->prepare();
    CHECK(pthread_create(&caller, NULL, run_call, (void *)call) == 0, "pthread_create");
    await_flag((volatile int *)&caller_tid);
    await_blocked_in(caller_tid, call->number);
    subject_ready();
    subject_await_check();
    if (call->release) call->release();
    void *returned;
    CHECK(pthread_join(caller, &returned) == 0, "pthread_join");
    const struct outcome *outcome = returned;
    CHECK(outcome->result == call->expected, "%s returned %ld (%s), not %ld", call->name, outcome->result,
          strerror(outcome->error), call->expected);
    if (call->expected_errno)
        CHECK(outcome->error == call->expected_errno, "%s ended with %s, not %s", call->name,
              strerror(outcome->error), strerror(call->expected_errno));
    // A relative wait may begin again at a restore; it may never be cut short, nor take more than twice its time and a little.
    CHECK(outcome->took >= call->at_least_ns, "%s came back after %ld ms", call->name, (long)(outcome->took / 1000000));
    if (!call->release)
        CHECK(outcome->took < 4 * whole, "%s took %ld ms", call->name, (long)(outcome->took / 1000000));
}
