#include "subject.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The value of one line of /proc/thread-self/status; -1 where there is none.
static long status_number(const char *key)
{
    char line[256];
    long number = -1;
    FILE *file = fopen("/proc/thread-self/status", "r");
    CHECK(file, "/proc/thread-self/status: %s", strerror(errno));
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') number = atol(line + strlen(key) + 1);
    fclose(file);
    return number;
}

// MARK: seccomp

// Adds a filter that answers a call with this error, and lets the others pass.
static void refuse(long call, int error, unsigned flags)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

// Adds a filter that kills for what a dump asks and a restore does, and the program does not.
static void kill_for_the_tools_calls(void)
{
    static const int calls[] = {SYS_mremap, SYS_kcmp, SYS_get_robust_list, SYS_capset, SYS_setresuid, SYS_pidfd_getfd, SYS_getitimer};
    struct sock_filter code[2 * sizeof calls / sizeof calls[0] + 2];
    size_t count = 0;
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {count, code};
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static void expect_refused(long call, int error)
{
    errno = 0;
    long result = syscall(call, -1, -1, -1);
    CHECK(result == -1 && errno == error, "call %ld gave %ld, %s", call, result, strerror(errno));
}

static void expect_filters(long count)
{
    CHECK(status_number("Seccomp") == (count ? 2 : 0), "seccomp mode is %ld", status_number("Seccomp"));
    CHECK(status_number("Seccomp_filters") == count, "%ld filters, not %ld", status_number("Seccomp_filters"), count);
}

static volatile int thread_ready, thread_go;
static long thread_filters;

static void *filtered_thread(void *argument)
{
    if (argument) refuse(SYS_getcpu, ENOTTY, 0);
    thread_ready = 1;
    while (!thread_go) pause_ns(2000000);
    expect_filters(thread_filters);
    if (argument) expect_refused(SYS_getcpu, ENOTTY);
    return NULL;
}

// Two filters of one process with two threads, without no_new_privs.
static void common_filters(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, filtered_thread, NULL) == 0, "pthread_create");
    await_flag(&thread_ready);
    refuse(SYS_acct, EXDEV, SECCOMP_FILTER_FLAG_TSYNC);
    refuse(SYS_acct, EPERM, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG);
    refuse(SYS_swapon, ENOTDIR, SECCOMP_FILTER_FLAG_TSYNC);
    thread_filters = 3;
    subject_ready();
    subject_await_check();
    expect_filters(3);
    // The newest of those that answer with an error is heard.
    expect_refused(SYS_acct, EPERM);
    expect_refused(SYS_swapon, ENOTDIR);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0, "no_new_privs is set");
    thread_go = 1;
    pthread_join(thread, NULL);
}

// Threads and a child whose filters differ, and which kill for what the tools do.
static void unlike_filters(void)
{
    pthread_t thread;
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    kill_for_the_tools_calls();
    thread_filters = 2;
    CHECK(pthread_create(&thread, NULL, filtered_thread, "own") == 0, "pthread_create");
    await_flag(&thread_ready);
    subject_ready();
    subject_await_check();
    expect_filters(1);
    thread_go = 1;
    pthread_join(thread, NULL);
    pid_t child = MUST(fork());
    if (child == 0) {
        syscall(SYS_kcmp, 0, 0, 0, 0, 0);
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "a filter that kills let a call pass: 0x%x", status);
}

static int requests[2], answers[2];

// Strict mode: nothing but read, write and exit.
static void strict(void *argument)
{
    char byte;
    child_ready();
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    syscall(SYS_write, answers[1], "s", 1);
    syscall(SYS_read, requests[0], &byte, 1);
    syscall(SYS_write, answers[1], &byte, 1);
    if (argument) syscall(SYS_getpid);
    syscall(SYS_exit, 0);
}

static void strict_children(void)
{
    char byte;
    MUST(pipe(requests));
    MUST(pipe(answers));
    pid_t obedient = child_start(strict, NULL), curious = child_start(strict, "asks");
    for (int i = 0; i < 2; i++) CHECK(read(answers[0], &byte, 1) == 1 && byte == 's', "no child became strict");
    subject_ready();
    subject_await_check();
    CHECK(write(requests[1], "ab", 2) == 2, "write: %s", strerror(errno));
    for (int i = 0; i < 2; i++) CHECK(read(answers[0], &byte, 1) == 1, "no answer of a strict child");
    child_expect(obedient, 0);
    child_expect(curious, SIGKILL);
}

// MARK: leaders that have ended

static void stay_in_place(void)
{
    pid_t parent = getppid(), group = getpgrp(), session = getsid(0);
    child_ready();
    subject_await_check();
    CHECK(getppid() == parent, "parent was %d, is %d", parent, getppid());
    CHECK(getpgrp() == group, "process group was %d, is %d", group, getpgrp());
    CHECK(getsid(0) == session, "session was %d, is %d", session, getsid(0));
    CHECK(group != getpid() && session != getpid(), "it leads");
}

static int told;

// Born of a leader that ends; child_ready() of the leader tells for it.
static void left_behind(bool makes_session)
{
    if (makes_session) MUST(setsid());
    else MUST(setpgid(0, 0));
    pid_t child = MUST(fork());
    if (child != 0) _exit(0);
    while (getppid() != told) pause_ns(1000000);
    stay_in_place();
    _exit(0);
}

static void in_dead_session(void *argument) { (void)argument, left_behind(true); }
static void in_dead_group(void *argument) { (void)argument, left_behind(false); }

static void orphans(void)
{
    // Their children become ours.
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    told = getpid();
    pid_t session = child_start(in_dead_session, NULL), group = child_start(in_dead_group, NULL);
    child_expect(session, 0);
    child_expect(group, 0);
    subject_ready();
    subject_await_check();
    for (int i = 0; i < 2; i++) {
        int status;
        MUST(wait(&status));
        CHECK(status == 0, "an orphan ended with 0x%x", status);
    }
}

// MARK: stopped by job control

static volatile sig_atomic_t handled;
static int go_on[2];

static void on_user(int signal) { (void)signal, handled++; }

static void *other_thread(void *argument)
{
    (void)argument;
    while (handled == 0) usleep(1000);
    return NULL;
}

static void stands(void *argument)
{
    char byte;
    pthread_t other;
    (void)argument;
    MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_user, .sa_flags = SA_RESTART}, NULL));
    CHECK(pthread_create(&other, NULL, other_thread, NULL) == 0, "no thread");
    child_ready();
    CHECK(MUST(read(go_on[0], &byte, 1)) == 1, "nothing to go on for");
    pthread_join(other, NULL);
    CHECK(handled == 1, "the signal that waited came %d times", handled);
}

// Its parent knows of the stop, and must not be told again.
static void stopped(void)
{
    sigset_t ends, pending;
    int status;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    MUST(sigprocmask(SIG_BLOCK, &ends, NULL));
    MUST(pipe2(go_on, O_CLOEXEC));
    pid_t child = child_start(stands, NULL);
    MUST(kill(child, SIGSTOP));
    MUST(waitpid(child, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status), "the child became 0x%x", status);
    MUST(sigwaitinfo(&ends, NULL));
    MUST(kill(child, SIGUSR1));
    subject_ready();
    subject_await_check();
    MUST(sigpending(&pending));
    CHECK(!sigismember(&pending, SIGCHLD), "the parent is told again");
    MUST(kill(child, SIGCONT));
    MUST(waitpid(child, &status, WCONTINUED));
    CHECK(WIFCONTINUED(status), "the child was not stopped, it became 0x%x", status);
    CHECK(MUST(write(go_on[1], "", 1)) == 1, "write");
    child_expect(child, 0);
}

// MARK: what clone(2) can share

static pid_t clone_like_fork(unsigned long flags, void (*body)(void))
{
    pid_t child = MUST((pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0));
    if (child == 0) {
        body();
        syscall(SYS_exit_group, 0);
    }
    return child;
}

static int shared_number;

static void child_with_our_files(void)
{
    subject_await_check();
    CHECK(fcntl(shared_number, F_GETFD) >= 0, "fd %d: %s", shared_number, strerror(errno));
    MUST(close(shared_number));
    int again = MUST(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    CHECK(again == shared_number, "the free number is %d", again);
}

static void child_with_our_directory(void)
{
    subject_await_check();
    MUST(chdir("below"));
    MUST((int)umask(0123));
}

static void shared_tables(void)
{
    MUST(mkdir("below", 0755));
    shared_number = MUST(open("/dev/null", O_RDONLY));
    pid_t files = clone_like_fork(CLONE_FILES | SIGCHLD, child_with_our_files);
    pid_t directory = clone_like_fork(CLONE_FS | SIGCHLD, child_with_our_directory);
    subject_ready();
    subject_await_check();
    child_expect(files, 0);
    child_expect(directory, 0);
    CHECK(fcntl(shared_number, F_GETFD) == FD_CLOEXEC, "the child's descriptor is not ours");
    char place[4096];
    CHECK(getcwd(place, sizeof place) && strcmp(place + strlen(place) - 6, "/below") == 0, "cwd is %s", place);
    CHECK(umask(0) == 0123, "the child's umask is not ours");
}

// MARK: signals at an end, of a parent's and of a timer's

static volatile sig_atomic_t ends;
static void on_end(int signal) { (void)signal, ends++; }
static void wait_for_check(void) { subject_await_check(); }

static void exit_signals(void)
{
    struct sigaction action = {.sa_handler = on_end, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR1, &action, NULL));
    pid_t telling = clone_like_fork(SIGUSR1, wait_for_check), silent = clone_like_fork(0, wait_for_check);
    subject_ready();
    subject_await_check();
    CHECK(waitpid(telling, NULL, 0) == -1 && errno == ECHILD, "a child became an ordinary one");
    int status;
    CHECK(waitpid(telling, &status, __WCLONE) == telling && status == 0, "waitpid: %s", strerror(errno));
    CHECK(waitpid(silent, &status, __WCLONE) == silent && status == 0, "waitpid: %s", strerror(errno));
    CHECK(ends == 1, "%d signals of children", (int)ends);
}

// MARK: scheduling, and what prctl(2) and audit keep

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static void deadline(void)
{
    struct attributes wanted = {sizeof wanted, 6, 2, 0, 0, 2000000, 20000000, 40000000}, now = {0};
    MUST(syscall(SYS_sched_setattr, 0, &wanted, 0));
    subject_ready();
    subject_await_check();
    MUST(syscall(SYS_sched_getattr, 0, &now, sizeof now, 0));
    CHECK(now.policy == 6 && now.flags == 2, "policy %u, flags %lu", now.policy, now.flags);
    CHECK(now.runtime == wanted.runtime && now.deadline == wanted.deadline && now.period == wanted.period,
          "runtime %lu, deadline %lu, period %lu", now.runtime, now.deadline, now.period);
}

static volatile sig_atomic_t ticks_elsewhere, ticks;
static pid_t ticking_thread;

static void on_tick(int signal)
{
    (void)signal;
    if (gettid() == ticking_thread) ticks++;
    else ticks_elsewhere++;
}

static void *ticked_thread(void *argument)
{
    (void)argument;
    MUST(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
    ticking_thread = gettid();
    __atomic_store_n(&thread_ready, 1, __ATOMIC_RELEASE);
    while (!thread_go) pause_ns(2000000);
    CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_LATE, "the thread's policy for memory errors changed");
    return NULL;
}

static void login_uid(char *text, size_t size)
{
    int fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, size - 1);
    text[length > 0 ? length : 0] = 0;
    if (fd >= 0) close(fd);
}

static void policies(void)
{
    pthread_t thread;
    char login[32], login_now[32];
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGRTMIN, &action, NULL));
    CHECK(pthread_create(&thread, NULL, ticked_thread, NULL) == 0, "pthread_create");
    await_flag(&thread_ready);
    MUST(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    event._sigev_un._tid = ticking_thread;
    timer_t timer;
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec fast = {{0, 50000000}, {0, 50000000}};
    MUST(timer_settime(timer, 0, &fast, NULL));
    int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
    // Without audit, or a right to it, it stays what it is.
    if (fd >= 0 && write(fd, "1234", 4) < 0) errno = 0;
    if (fd >= 0) close(fd);
    login_uid(login, sizeof login);

    subject_ready();
    subject_await_check();

    login_uid(login_now, sizeof login_now);
    CHECK(strcmp(login, login_now) == 0, "the login uid was %s, is %s", login, login_now);
    CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == PR_MCE_KILL_EARLY, "the policy for memory errors changed");
    int before = ticks;
    int64_t end = monotonic_ns() + 5000000000;
    while (ticks < before + 3 && monotonic_ns() < end) pause_ns(10000000);
    CHECK(ticks >= before + 3, "the timer of the thread no longer ticks");
    CHECK(ticks_elsewhere == 0, "the timer of the thread tells another one");
    thread_go = 1;
    pthread_join(thread, NULL);
}

static void alone(void)
{
    pid_t group = getpgrp(), session = getsid(0);
    subject_ready();
    subject_await_check();
    CHECK(getpgrp() == group && getsid(0) == session, "group %d of session %d, was %d of %d", getpgrp(), getsid(0), group,
          session);
}

void tasks(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } kinds[] = {
        {"seccomp", common_filters}, {"chains", unlike_filters}, {"strict", strict_children}, {"orphans", orphans}, {"stopped", stopped},
        {"shared", shared_tables},   {"signals", exit_signals},  {"deadline", deadline},      {"policies", policies},
        {"alone", alone},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (argc == 2 && strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].run();
            return;
        }
    subject_fail("no such kind");
}
