#include "subject.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char status_file[PATH_MAX];
static char check_file[PATH_MAX + 8];
static int child_start_fd = -1;

void subject_start(const char *status_path)
{
    snprintf(status_file, sizeof status_file, "%s", status_path);
    snprintf(check_file, sizeof check_file, "%s.check", status_path);
}

static void publish(const char *text)
{
    char fresh[PATH_MAX + 32];
    snprintf(fresh, sizeof fresh, "%s.%ld", status_file, syscall(SYS_gettid));
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t length = strlen(text);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length || close(fd) || rename(fresh, status_file)) {
        dprintf(2, "%s: %s\n", fresh, strerror(errno));
        _exit(3);
    }
}

static bool has_failed(void)
{
    char text[8] = "";
    int fd = open(status_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool failed = read(fd, text, 5) == 5 && memcmp(text, "fail:", 5) == 0;
    close(fd);
    return failed;
}

void subject_ready(void) { publish("ready\n"); }

void subject_changed(void) { publish("changed\n"); }

bool subject_check_requested(void) { return access(check_file, F_OK) == 0; }

void subject_await_check(void)
{
    while (!subject_check_requested()) pause_ns(10000000);
}

void subject_fail(const char *format, ...)
{
    char reason[1024], line[1100];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "fail: pid %d: %s\n", getpid(), reason);
    if (!has_failed()) publish(line);
    _exit(1);
}

void subject_end(void)
{
    if (has_failed()) _exit(1);
    publish("pass\n");
    _exit(0);
}

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

void pattern_fill(void *start, size_t n, uint64_t seed)
{
    uint64_t *words = start;
    for (size_t i = 0; i < n / 8; i++) words[i] = mix(seed * 0x9e3779b97f4a7c15u + i);
}

void pattern_check(const void *start, size_t n, uint64_t seed, const char *what)
{
    const uint64_t *words = start;
    for (size_t i = 0; i < n / 8; i++)
        CHECK(words[i] == mix(seed * 0x9e3779b97f4a7c15u + i), "%s: wrong bytes at offset %zu", what, i * 8);
}

pid_t child_start(void (*body)(void *), void *argument)
{
    int ends[2];
    MUST(pipe2(ends, O_CLOEXEC));
    pid_t child = MUST(fork());
    if (child == 0) {
        close(ends[0]);
        if (child_start_fd >= 0) close(child_start_fd);
        child_start_fd = ends[1];
        body(argument);
        _exit(0);
    }
    close(ends[1]);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1, "child %d ended before it was ready", child);
    close(ends[0]);
    return child;
}

void child_ready(void)
{
    CHECK(write(child_start_fd, "r", 1) == 1, "telling the parent: %s", strerror(errno));
    close(child_start_fd);
    child_start_fd = -1;
}

void child_expect(pid_t child, int wait_status)
{
    int status = 0;
    pid_t got;
    do got = waitpid(child, &status, 0);
    while (got < 0 && errno == EINTR);
    CHECK(got == child, "waitpid(%d): %s", child, strerror(errno));
    CHECK(status == wait_status, "child %d ended with status 0x%x, not 0x%x", child, status, wait_status);
}

void await_blocked_in(pid_t tid, long number)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    int64_t deadline = monotonic_ns() + 10000000000;
    while (monotonic_ns() < deadline) {
        int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
        ssize_t length = read(fd, text, sizeof text - 1);
        close(fd);
        text[length > 0 ? length : 0] = 0;
        char *end = text;
        long current = strtol(text, &end, 10);
        if (end != text && current == number) return;
        pause_ns(1000000);
    }
    subject_fail("thread %d does not get into system call %ld, %s says %s", tid, number, path, text);
}

void await_flag(volatile int *flag)
{
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) pause_ns(1000000);
}

void pause_ns(int64_t nanoseconds)
{
    struct timespec left = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    while (nanosleep(&left, &left) && errno == EINTR) continue;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
int64_t realtime_ns(void) { return clock_ns(CLOCK_REALTIME); }
