// What every subject shares: the talk with the runner, failure with a reason, patterns, children.
//
// A subject sets up kernel state, says "ready" in its status file, waits until the file STATUS.check appears, checks
// that the state is still what it was, and ends with "pass" or "fail: reason" in the status file and exit 0 or 1.
// The status file is replaced by rename(2), so that a reader never sees half of it, and no descriptor stays open.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef void subject_body(int argc, char **argv);

// One subject: `run` returns when everything was found in order.
struct subject {
    const char *name;
    subject_body *run;
    const char *about;
};

// Where the runner reads the subject's state; called once, before anything else.
void subject_start(const char *status_path);
// Tells the runner that the state is set up and may be dumped.
void subject_ready(void);
// Tells the runner that what it asked for has been done.
void subject_changed(void);
// True once the runner wants the verdict.
bool subject_check_requested(void);
// Returns once the runner wants the verdict. Polls with nanosleep(2), so a dump finds most subjects in that call.
void subject_await_check(void);
// Publishes "fail: reason", unless a process of this subject failed before, and ends the process.
_Noreturn void subject_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Publishes "pass", unless a process of this subject failed before; the exit status says the same.
_Noreturn void subject_end(void);

#define CHECK(condition, ...) \
    do { \
        if (!(condition)) subject_fail(__VA_ARGS__); \
    } while (0)

// The value of a call that may not fail; -1 ends the subject with the text of the call and of errno.
#define MUST(call) \
    ({ \
        __typeof__(call) must_ = (call); \
        if ((intptr_t)must_ == -1) subject_fail("%s: %s", #call, strerror(errno)); \
        must_; \
    })

// Fills n bytes with a sequence that depends on the seed; n is a multiple of 8.
void pattern_fill(void *start, size_t n, uint64_t seed);
// Ends the subject if the n bytes are not the sequence of this seed.
void pattern_check(const void *start, size_t n, uint64_t seed, const char *what);

// Runs the body in a child and returns once the child called child_ready(). The child ends with exit 0 when the body returns.
pid_t child_start(void (*body)(void *), void *argument);
void child_ready(void);
// Waits for a child and ends the subject unless the wait status is the expected one.
void child_expect(pid_t child, int wait_status);

// Runs words[…] as the first process of namespaces, whose kinds come first (--user, --pid, …, --kill-child), with a map of ids of
// two ranges: 0-65535 are 100000-165535, 70000-70999 are 300000-300999. Returns its exit status.
int run_mapped(char **words);

// Returns once the thread of this process sleeps inside the system call of this number, see /proc/PID/task/TID/syscall.
void await_blocked_in(pid_t tid, long number);
// Returns once the futex word, set by another thread or process, is not zero.
void await_flag(volatile int *flag);
// Puts the calling thread to sleep for this long; a signal does not cut it short.
void pause_ns(int64_t nanoseconds);
// What a command of a shell prints, to be freed; it must end well.
char *view(const char *command);
// Ends the subject with the first line in which what the command prints now differs from `had`.
void view_again(const char *command, const char *had);
// CLOCK_MONOTONIC and CLOCK_REALTIME in nanoseconds.
int64_t monotonic_ns(void);
int64_t realtime_ns(void);

subject_body plain, unstoppable, registers, threads, crowd, descriptors, rseq, signals, memory, files, pipes, fifos, fdshare, tree, creds, identity, clocks,
    timers, unixsockets, inet, tcp, link_sockets, events, pidfds, memfds, huge_pages, epolls, locks, notify, eintr, killtarget, storm,
    holder, drift, terminals, links, devices, tasks, sysv, cgroups, directories, cow, ghosts, outside,
    areas, uncarried, pseudo, processfiles, pathonly, denials, aio, placed, mount_tables, network, usermap, mqueues, nsfiles, nested, views, unborn;
