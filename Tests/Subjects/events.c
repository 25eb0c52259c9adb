#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL // Linux 6.9
#endif

static uint64_t read_counter(int fd, const char *what)
{
    uint64_t value = 0;
    ssize_t length = read(fd, &value, sizeof value);
    CHECK(length == sizeof value, "%s: read: %s", what, strerror(errno));
    return value;
}

static bool is_ready(int fd)
{
    struct pollfd request = {.fd = fd, .events = POLLIN};
    return MUST(poll(&request, 1, 0)) == 1;
}

static int counters[4];

static void counters_set(void)
{
    counters[0] = MUST(eventfd(7, EFD_NONBLOCK));
    counters[1] = MUST(eventfd(2, EFD_SEMAPHORE | EFD_CLOEXEC));
    counters[2] = MUST(eventfd(0, EFD_NONBLOCK));
    counters[3] = MUST(eventfd(0, 0));
    uint64_t large = UINT64_C(0xfffffffffffffffe);
    CHECK(write(counters[3], &large, sizeof large) == sizeof large, "eventfd: write: %s", strerror(errno));
    MUST(fcntl(counters[2], F_SETOWN, getpid()));
    MUST(fcntl(counters[2], F_SETSIG, SIGUSR2));
}

static void counters_check(void)
{
    uint64_t value;
    CHECK(fcntl(counters[0], F_GETFL) & O_NONBLOCK, "eventfd: O_NONBLOCK is gone");
    CHECK(fcntl(counters[1], F_GETFD) == FD_CLOEXEC, "eventfd: close-on-exec is gone");
    CHECK((value = read_counter(counters[0], "eventfd")) == 7, "eventfd: counter %lu, not 7", value);
    CHECK(read(counters[0], &value, 8) == -1 && errno == EAGAIN, "eventfd: counter is not empty");
    for (int i = 0; i < 2; i++) {
        CHECK((value = read_counter(counters[1], "semaphore")) == 1, "semaphore: %lu at a time, not 1", value);
    }
    CHECK(!is_ready(counters[1]), "semaphore: more than 2");
    CHECK(!is_ready(counters[2]), "eventfd: an empty counter is ready");
    CHECK(fcntl(counters[2], F_GETOWN) == getpid() && fcntl(counters[2], F_GETSIG) == SIGUSR2,
          "eventfd: owner %d, signal %d", fcntl(counters[2], F_GETOWN), fcntl(counters[2], F_GETSIG));
    CHECK((value = read_counter(counters[3], "large eventfd")) == UINT64_C(0xfffffffffffffffe),
          "large eventfd: counter %lx", value);
}

static int signals_fd;

static void signals_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals_fd = MUST(signalfd(-1, &set, SFD_NONBLOCK));
    MUST(raise(SIGUSR1));
}

static void signals_check(void)
{
    struct signalfd_siginfo info;
    CHECK(read(signals_fd, &info, sizeof info) == sizeof info, "signalfd: the pending signal is gone: %s",
          strerror(errno));
    CHECK(info.ssi_signo == SIGUSR1, "signalfd: signal %u", info.ssi_signo);
    union sigval value = {.sival_int = 77};
    MUST(sigqueue(getpid(), SIGRTMIN + 2, value));
    CHECK(read(signals_fd, &info, sizeof info) == sizeof info, "signalfd: read: %s", strerror(errno));
    CHECK(info.ssi_signo == (uint32_t)SIGRTMIN + 2 && info.ssi_int == 77, "signalfd: signal %u", info.ssi_signo);
    CHECK(read(signals_fd, &info, sizeof info) == -1 && errno == EAGAIN, "signalfd: one signal too many");
}

enum { unset, far_away, fired, periodic, absolute, wall, timer_count };
static int timers_fd[timer_count];
static struct timespec wall_due;

static void timer_set(int which, int clock, int flags, struct itimerspec times)
{
    timers_fd[which] = MUST(timerfd_create(clock, TFD_NONBLOCK));
    MUST(timerfd_settime(timers_fd[which], flags, &times, NULL));
}

static int64_t timers_since;

static void timers_set(void)
{
    struct timespec now;
    timers_since = monotonic_ns();
    timer_set(unset, CLOCK_MONOTONIC, 0, (struct itimerspec){0});
    timer_set(far_away, CLOCK_BOOTTIME, 0, (struct itimerspec){{50, 60}, {5000, 70}});
    timer_set(fired, CLOCK_MONOTONIC, 0, (struct itimerspec){{0, 0}, {0, 1}});
    // Many ticks and nobody asks: fdinfo alone would show one.
    timer_set(periodic, CLOCK_MONOTONIC, 0, (struct itimerspec){{0, 1000000}, {0, 1000000}});
    MUST(clock_gettime(CLOCK_MONOTONIC, &now));
    timer_set(absolute, CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, (struct itimerspec){{0, 0}, {now.tv_sec + 6000, 5}});
    MUST(clock_gettime(CLOCK_REALTIME, &now));
    wall_due = (struct timespec){now.tv_sec + 7000, 0};
    timer_set(wall, CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
              (struct itimerspec){{0, 0}, wall_due});
    while (!is_ready(timers_fd[periodic])) pause_ns(1000000);
    pause_ns(100 * 1000000);
}

// `wanted` seconds from when it was set; the clocks do not show how long the tree was away.
static void timer_left(int which, time_t wanted, const char *what)
{
    struct itimerspec left;
    MUST(timerfd_gettime(timers_fd[which], &left));
    time_t whole = left.it_value.tv_sec + (monotonic_ns() - timers_since) / INT64_C(1000000000);
    CHECK(whole >= wanted - 2 && whole <= wanted + 1, "%s: goes off after %ld s, not %ld", what, whole, wanted);
}

static void timers_check(void)
{
    struct itimerspec times;
    uint64_t ticks;
    MUST(timerfd_gettime(timers_fd[unset], &times));
    CHECK(times.it_value.tv_sec == 0 && times.it_value.tv_nsec == 0, "timerfd: an unset timer runs");
    timer_left(far_away, 5000, "timerfd");
    MUST(timerfd_gettime(timers_fd[far_away], &times));
    CHECK(times.it_interval.tv_sec == 50 && times.it_interval.tv_nsec == 60, "timerfd: another interval");
    CHECK((ticks = read_counter(timers_fd[fired], "fired timerfd")) == 1, "fired timerfd: %lu ticks", ticks);
    ticks = read_counter(timers_fd[periodic], "periodic timerfd");
    CHECK(ticks >= 100, "periodic timerfd: %lu ticks, not 100", ticks);
    while (!is_ready(timers_fd[periodic])) pause_ns(1000000);
    timer_left(absolute, 6000, "absolute timerfd");
    // Counted by the wall clock, however long the tree was away, and never early.
    struct timespec now;
    MUST(clock_gettime(CLOCK_REALTIME, &now));
    MUST(timerfd_gettime(timers_fd[wall], &times));
    int64_t left = times.it_value.tv_sec * INT64_C(1000000000) + times.it_value.tv_nsec;
    int64_t wanted = (wall_due.tv_sec - now.tv_sec) * INT64_C(1000000000) + wall_due.tv_nsec - now.tv_nsec;
    CHECK(left > wanted - 50000000 && left < wanted + 50000000, "wall clock timerfd: %ld ns left, not %ld", left,
          wanted);
}

// What may move while a tree is away, and what stock tools do not carry, are checked by name only.
void events(int argc, char **argv)
{
    bool has_all = argc == 1;
    bool has_counters = has_all || strcmp(argv[1], "counters") == 0;
    bool has_signals = has_all || strcmp(argv[1], "signals") == 0;
    bool has_timers = has_all || strcmp(argv[1], "timers") == 0;
    if (has_counters) counters_set();
    if (has_signals) signals_set();
    if (has_timers) timers_set();
    subject_ready();
    subject_await_check();
    if (has_counters) counters_check();
    if (has_signals) signals_check();
    if (has_timers) timers_check();
}

static void wait_for_end(void *argument)
{
    int *ends = argument;
    char byte;
    close(ends[1]);
    child_ready();
    while (read(ends[0], &byte, 1) > 0) continue;
}

static int open_pidfd(pid_t pid, unsigned flags) { return MUST((int)syscall(SYS_pidfd_open, pid, flags)); }

struct exit_information {
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};

// PIDFD_GET_INFO of Linux 6.13, PIDFD_INFO_EXIT of 6.15; false where the kernel does not tell.
static bool exit_code_of(int fd, int *code)
{
    struct exit_information information = {.mask = 8};
    if (ioctl(fd, _IOWR(0xff, 11, struct exit_information), &information) != 0) return false;
    *code = information.exit_code;
    return information.mask & 8;
}

static int thread_id;

static void *thread_of_pidfd(void *argument)
{
    (void)argument;
    thread_id = (int)syscall(SYS_gettid);
    for (;;) pause_ns(INT64_C(3600000000000));
    return NULL;
}

static int thread_pidfd(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, thread_of_pidfd, NULL) == 0, "pthread_create failed");
    await_flag(&thread_id);
    return open_pidfd(thread_id, PIDFD_THREAD);
}

static void thread_pidfd_check(int fd)
{
    char path[64], line[256];
    int target = 0;
    const unsigned signal_thread = 1; // PIDFD_SIGNAL_THREAD of Linux 6.9
    MUST((int)syscall(SYS_pidfd_send_signal, fd, 0, NULL, signal_thread));
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "Pid: %d", &target);
    if (file) fclose(file);
    CHECK(target == thread_id, "pidfd of thread %d is of %d", thread_id, target);
    CHECK(fcntl(fd, F_GETFL) & PIDFD_THREAD, "PIDFD_THREAD is gone");
}

// `pidfds thread` has one of a thread too, which stock criu does not carry; Linux 6.9.
void pidfds(int argc, char **argv)
{
    (void)argv;
    int to_thread = argc > 1 ? thread_pidfd() : -1;
    int ends[2], status, code, code_now;
    struct stat dead_one, dead_two;
    MUST(pipe(ends));
    pid_t child = child_start(wait_for_end, ends);
    int to_self = open_pidfd(getpid(), 0), to_child = open_pidfd(child, O_NONBLOCK);
    pid_t ended = MUST(fork()), zombie = -1;
    if (ended == 0) _exit(9);
    int to_ended = open_pidfd(ended, 0), to_ended_too = open_pidfd(ended, O_NONBLOCK);
    MUST(waitpid(ended, &status, 0));
    bool knows_code = exit_code_of(to_ended, &code);
    zombie = MUST(fork());
    if (zombie == 0) _exit(4);
    int to_zombie = open_pidfd(zombie, 0);
    while (!is_ready(to_zombie)) pause_ns(1000000);

    subject_ready();
    subject_await_check();

    if (to_thread != -1) thread_pidfd_check(to_thread);
    MUST((int)syscall(SYS_pidfd_send_signal, to_self, 0, NULL, 0));
    MUST((int)syscall(SYS_pidfd_send_signal, to_child, 0, NULL, 0));
    CHECK(fcntl(to_child, F_GETFL) & O_NONBLOCK, "pidfd: O_NONBLOCK is gone");
    CHECK(fcntl(to_child, F_GETFD) == FD_CLOEXEC, "pidfd: close-on-exec is gone");
    CHECK(!is_ready(to_child), "pidfd of a process that runs is ready");
    CHECK(is_ready(to_ended) && is_ready(to_ended_too), "pidfd of an ended process is not ready");
    CHECK(syscall(SYS_pidfd_send_signal, to_ended, 0, NULL, 0) == -1 && errno == ESRCH,
          "pidfd of an ended process leads to another one");
    MUST(fstat(to_ended, &dead_one));
    MUST(fstat(to_ended_too, &dead_two));
    CHECK(dead_one.st_ino == dead_two.st_ino, "two pidfds of one ended process became two");
    if (knows_code && exit_code_of(to_ended, &code_now))
        CHECK(code == code_now, "an ended process had status %x, now %x", code, code_now);
    siginfo_t info;
    MUST(waitid(P_PIDFD, to_zombie, &info, WEXITED));
    CHECK(info.si_pid == zombie && info.si_status == 4, "pidfd of a zombie: pid %d, status %d", info.si_pid,
          info.si_status);
    close(ends[0]);
    close(ends[1]);
    // A descriptor with O_NONBLOCK does not wait.
    while (!is_ready(to_child)) pause_ns(1000000);
    MUST(waitid(P_PIDFD, to_child, &info, WEXITED));
    CHECK(info.si_pid == child && info.si_status == 0, "pidfd of the child: status %d", info.si_status);
}

void memfds(int argc, char **argv)
{
    (void)argc, (void)argv;
    int fd = MUST(memfd_create("first", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    int sealed = MUST(memfd_create("sealed", MFD_ALLOW_SEALING)), plain = MUST(memfd_create("plain", 0));
    const size_t size = 1 << 20, page = 4096;
    MUST(ftruncate(fd, size));
    char *shared = MUST(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    pattern_fill(shared + 3 * page, page, 1);
    MUST(lseek(fd, 12345, SEEK_SET));
    char *private = MUST(mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 3 * page));
    pattern_fill(private + page, page, 2);
    MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    CHECK(write(sealed, "sealed words", 12) == 12, "write: %s", strerror(errno));
    MUST(fcntl(sealed, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
    int same = MUST(dup(plain)), other = MUST(open("/proc/self/fd/0", O_RDONLY));
    close(other);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", sealed);
    int reader = MUST(open(path, O_RDONLY));
    MUST(fchmod(plain, 0640));

    subject_ready();
    subject_await_check();

    char bytes[16];
    pattern_check(shared + 3 * page, page, 1, "shared memory of a memfd");
    CHECK(shared[0] == 0 && shared[size - 1] == 0, "a hole of a memfd has contents");
    pattern_check(private, page, 1, "private mapping of a memfd");
    pattern_check(private + page, page, 2, "written page of a private mapping of a memfd");
    shared[5] = 'x';
    CHECK(pread(fd, bytes, 1, 5) == 1 && bytes[0] == 'x', "the mapping is not of the memfd any more");
    CHECK(lseek(fd, 0, SEEK_CUR) == 12345, "offset of a memfd is %ld", lseek(fd, 0, SEEK_CUR));
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec of a memfd is gone");
    CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_GROW, "seals are %x", fcntl(fd, F_GET_SEALS));
    CHECK(fcntl(sealed, F_GET_SEALS) == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
          "all seals are %x", fcntl(sealed, F_GET_SEALS));
    CHECK(fcntl(plain, F_GET_SEALS) == F_SEAL_SEAL, "an unsealable memfd has seals %x", fcntl(plain, F_GET_SEALS));
    CHECK(pread(reader, bytes, 12, 0) == 12 && memcmp(bytes, "sealed words", 12) == 0, "contents are gone");
    CHECK(lseek(sealed, 0, SEEK_CUR) == 12 && lseek(reader, 0, SEEK_CUR) == 0, "two open files became one");
    CHECK(write(same, "abc", 3) == 3 && lseek(plain, 0, SEEK_CUR) == 3, "a duplicate became another open file");
    struct stat facts;
    MUST(fstat(plain, &facts));
    CHECK((facts.st_mode & 07777) == 0640, "mode is %o", facts.st_mode);
}
