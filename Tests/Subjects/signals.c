#include "subject.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel's own layout, see arch/x86/include/uapi/asm/signal.h; the C library hides the restorer.
struct kernel_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static const int last_signal = 64;
static struct kernel_action before[65];
static volatile sig_atomic_t caught, caught_on_alternate;
static char *alternate;
static const size_t alternate_size = 65536;
static volatile int thread_ready, thread_go;
static pthread_t other_thread;
static pid_t other_tid;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)context;
    char here;
    caught = signal * 1000 + info->si_value.sival_int;
    caught_on_alternate = &here > alternate && &here < alternate + alternate_size;
}

static void read_actions(struct kernel_action *actions)
{
    for (int signal = 1; signal <= last_signal; signal++)
        MUST(syscall(SYS_rt_sigaction, signal, NULL, &actions[signal], 8));
}

static void install(int signal, int flags, int also_blocked)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&action.sa_mask);
    if (also_blocked) sigaddset(&action.sa_mask, also_blocked);
    MUST(sigaction(signal, &action, NULL));
}

// Takes one pending signal and compares what it carries.
static void expect_pending(int signal, int code, int value)
{
    siginfo_t info;
    struct timespec none = {0, 0};
    uint64_t set = (uint64_t)1 << (signal - 1);
    // Not sigtimedwait(3), which turns SI_TKILL into SI_USER.
    int got = syscall(SYS_rt_sigtimedwait, &set, &info, &none, sizeof set);
    CHECK(got == signal, "signal %d is no longer pending", signal);
    CHECK(info.si_code == code, "signal %d: code was %d, is %d", signal, code, info.si_code);
    CHECK(info.si_pid == getpid(), "signal %d: sender was %d, is %d", signal, getpid(), info.si_pid);
    if (code == SI_QUEUE)
        CHECK(info.si_value.sival_int == value, "signal %d: value was %d, is %d", signal, value,
              info.si_value.sival_int);
}

static void expect_none(int signal)
{
    sigset_t set;
    sigpending(&set);
    CHECK(!sigismember(&set, signal), "signal %d is pending once more than it was sent", signal);
}

static void *run_other(void *argument)
{
    (void)argument;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMIN + 4);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    other_tid = syscall(SYS_gettid);
    union sigval value = {.sival_int = 44};
    CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN + 4, value) == 0, "pthread_sigqueue");
    CHECK(syscall(SYS_tgkill, getpid(), other_tid, SIGUSR1) == 0, "tgkill");
    thread_ready = 1;
    while (!thread_go) pause_ns(2000000);
    expect_pending(SIGRTMIN + 4, SI_QUEUE, 44);
    // The one that waits for the process stays for the main thread.
    expect_pending(SIGUSR1, SI_TKILL, 0);
    return NULL;
}

void signals(int argc, char **argv)
{
    (void)argc, (void)argv;
    sigset_t mask, mask_now;
    alternate = malloc(alternate_size);
    stack_t stack = {.ss_sp = alternate, .ss_size = alternate_size};
    MUST(sigaltstack(&stack, NULL));

    install(SIGHUP, SA_RESTART, SIGINT);
    install(SIGUSR2, SA_ONSTACK | SA_NODEFER, 0);
    install(SIGRTMIN + 7, SA_RESETHAND, SIGRTMIN + 8);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGRTMIN + 1);
    sigaddset(&mask, SIGRTMIN + 3);
    sigaddset(&mask, SIGWINCH);
    MUST(sigprocmask(SIG_SETMASK, &mask, NULL));
    CHECK(pthread_create(&other_thread, NULL, run_other, NULL) == 0, "pthread_create");
    await_flag(&thread_ready);
    // The other thread lets SIGTERM and the real-time ones through, so these go to this thread; SIGWINCH's default is to be ignored.
    union sigval value = {.sival_int = 1};
    for (; value.sival_int <= 3; value.sival_int++)
        CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, value) == 0, "pthread_sigqueue");
    MUST(syscall(SYS_tgkill, getpid(), getpid(), SIGTERM));
    // Blocked by both threads: it waits for the process.
    value.sival_int = 9;
    sigset_t all_blocked;
    sigemptyset(&all_blocked);
    sigaddset(&all_blocked, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &all_blocked, NULL));
    MUST(kill(getpid(), SIGUSR1));
    read_actions(before);
    sigprocmask(SIG_BLOCK, NULL, &mask);

    subject_ready();
    subject_await_check();

    static struct kernel_action after[65];
    read_actions(after);
    for (int signal = 1; signal <= last_signal; signal++)
        CHECK(memcmp(&before[signal], &after[signal], sizeof before[0]) == 0, "action of signal %d changed", signal);
    sigprocmask(SIG_BLOCK, NULL, &mask_now);
    CHECK(memcmp(&mask, &mask_now, 8) == 0, "the signal mask changed");
    for (int i = 1; i <= 3; i++) expect_pending(SIGRTMIN + 1, SI_QUEUE, i);
    expect_none(SIGRTMIN + 1);
    expect_pending(SIGTERM, SI_TKILL, 0);
    thread_go = 1;
    pthread_join(other_thread, NULL);
    expect_pending(SIGUSR1, SI_USER, 0);
    expect_none(SIGUSR1);

    stack_t stack_now;
    MUST(sigaltstack(NULL, &stack_now));
    CHECK(stack_now.ss_sp == alternate && stack_now.ss_size == alternate_size && stack_now.ss_flags == 0,
          "the alternate stack changed");
    value.sival_int = 5;
    MUST(sigqueue(getpid(), SIGUSR2, value));
    CHECK(caught == SIGUSR2 * 1000 + 5, "the handler of SIGUSR2 saw %d", (int)caught);
    CHECK(caught_on_alternate, "the handler of SIGUSR2 did not run on the alternate stack");
}
