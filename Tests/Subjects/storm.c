#include "subject.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

// Programs whose tasks come, change and go all the time, while somebody freezes and lets go of them over and over. Each
// looks at how its children and threads ended: one that a tracer broke ends in another way.
static const int exit_code = 7;

static void expect_end(pid_t child)
{
    int status = 0;
    pid_t got;
    do got = waitpid(child, &status, __WALL);
    while (got < 0 && errno == EINTR);
    CHECK(got == child, "wait: %s", strerror(errno));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == exit_code, "a child ended with status %#x", status);
}

static void fork_once(void)
{
    pid_t child = MUST(fork());
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) _exit(exit_code);
        expect_end(grandchild);
        _exit(exit_code);
    }
    expect_end(child);
}

static void *nothing(void *argument) { return argument; }

static void *end_process(void *argument)
{
    char *const words[] = {"sh", "-c", "exit 7", NULL};
    (void)argument;
    execv("/bin/sh", words);
    _exit(1);
}

// execve(2) by a thread that is not the leader, while the others run.
static void exec_once(void)
{
    pid_t child = MUST(fork());
    if (child == 0) {
        pthread_t thread;
        for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, nothing, NULL);
        pthread_create(&thread, NULL, end_process, NULL);
        for (;;) pause();
    }
    expect_end(child);
}

static void thread_once(void)
{
    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, nothing, (void *)i) == 0, "pthread_create");
    for (intptr_t i = 0; i < 4; i++) {
        void *result = NULL;
        CHECK(pthread_join(threads[i], &result) == 0 && (intptr_t)result == i, "thread %ld was lost", (long)i);
    }
}

static void vfork_once(void)
{
    char *const words[] = {"sh", "-c", "exit 7", NULL};
    pid_t child = MUST(vfork());
    if (child == 0) {
        execv("/bin/sh", words);
        _exit(1);
    }
    expect_end(child);
}

// A child that is killed while it may be held.
static void kill_once(void)
{
    pid_t child = MUST(fork());
    if (child == 0)
        for (;;) pause();
    usleep(300);
    MUST(kill(child, SIGKILL));
    int status = 0;
    MUST(waitpid(child, &status, 0));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a killed child ended with status %#x", status);
}

// A child that job control stops and wakes while it may be held: each stop is seen, and each waking.
static void stop_once(void)
{
    pid_t child = MUST(fork());
    if (child == 0)
        for (;;) usleep(100);
    for (int i = 0; i < 4; i++) {
        int status = 0;
        MUST(kill(child, SIGSTOP));
        MUST(waitpid(child, &status, WUNTRACED));
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "a stop became status %#x", status);
        MUST(kill(child, SIGCONT));
        MUST(waitpid(child, &status, WCONTINUED));
        CHECK(WIFCONTINUED(status), "a waking became status %#x", status);
    }
    MUST(kill(child, SIGKILL));
    MUST(waitpid(child, NULL, 0));
}

static volatile sig_atomic_t alarms;
static void count_alarm(int signal) { (void)signal, alarms++; }

// A wait that a signal must end, also when the signal comes while somebody holds the thread; pause(2) begins anew
// where the kernel is not asked (ERESTARTNOHAND), and then nothing ends it.
static void interrupt_once(void)
{
    struct sigaction action = {.sa_handler = count_alarm};
    struct itimerval soon = {.it_value = {.tv_usec = 50000}};
    sigaction(SIGALRM, &action, NULL);
    int before = alarms;
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    CHECK(pause() == -1 && errno == EINTR, "pause: %s", strerror(errno));
    CHECK(alarms == before + 1, "%d signals instead of one", (int)alarms - before);
}

// A program that is another process all the time: each lives only until it has made the next. Whoever reads a list of
// children finds one that is gone already, and its heir is a child of the subreaper by then.
static void hop(volatile int *is_over)
{
    while (!*is_over) {
        pid_t heir = fork();
        if (heir < 0) _exit(errno);
        if (heir > 0) break;
    }
    _exit(exit_code);
}

static void hop_until_check(void)
{
    enum { hoppers = 3 };
    volatile int *is_over = mmap(NULL, sizeof *is_over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(is_over != MAP_FAILED, "mmap: %s", strerror(errno));
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    for (int i = 0; i < hoppers; i++)
        if (MUST(fork()) == 0) hop(is_over);
    subject_ready();
    for (int status;;) {
        if (subject_check_requested()) *is_over = 1;
        pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno == EINTR) continue;
        if (ended < 0 && errno == ECHILD && *is_over) return;
        CHECK(ended > 0, "wait: %s", strerror(errno));
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == exit_code, "a hopper ended with status %#x", status);
    }
}

void storm(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "hop") == 0) {
        hop_until_check();
        return;
    }
    static const struct {
        const char *name;
        void (*once)(void);
    } kinds[] = {{"fork", fork_once}, {"exec", exec_once}, {"thread", thread_once}, {"vfork", vfork_once},
                 {"kill", kill_once}, {"stop", stop_once}, {"interrupt", interrupt_once}};
    for (size_t i = 0; argc == 2 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, argv[1])) continue;
        subject_ready();
        while (!subject_check_requested()) kinds[i].once();
        return;
    }
    subject_fail("usage: storm fork|exec|thread|vfork|kill|stop|interrupt|hop");
}
