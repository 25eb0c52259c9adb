#include "subject.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void read_small(const char *path, char *text, size_t size)
{
    int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t length = read(fd, text, size - 1);
    CHECK(length >= 0, "%s: %s", path, strerror(errno));
    text[length] = 0;
    close(fd);
}

static void write_small(const char *path, const char *text)
{
    int fd = MUST(open(path, O_WRONLY | O_CLOEXEC));
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %s", path, strerror(errno));
    close(fd);
}

struct changed_limit {
    int resource;
    struct rlimit value;
};

static const struct changed_limit limits[] = {
    {RLIMIT_NOFILE, {120, 200}},           {RLIMIT_CORE, {0, 4096}},        {RLIMIT_NPROC, {5000, 6000}},
    {RLIMIT_FSIZE, {1 << 28, 1 << 29}},    {RLIMIT_STACK, {4 << 20, 16 << 20}},
    {RLIMIT_CPU, {9000, RLIM_INFINITY}},   {RLIMIT_SIGPENDING, {77, 99}},
};

static volatile int thread_ready, thread_go;

// A thread has a nice value, policy and timer slack of its own.
static void *run_thread(void *argument)
{
    (void)argument;
    MUST(setpriority(PRIO_PROCESS, gettid(), 11));
    struct sched_param zero = {0};
    MUST(sched_setscheduler(0, SCHED_IDLE, &zero));
    MUST(prctl(PR_SET_TIMERSLACK, 777777));
    thread_ready = 1;
    while (!thread_go) pause_ns(2000000);
    errno = 0;
    int nice_value = getpriority(PRIO_PROCESS, gettid());
    CHECK(nice_value == 11, "the thread's nice value is %d", nice_value);
    CHECK(prctl(PR_GET_TIMERSLACK) == 777777, "the thread's timer slack is %d", prctl(PR_GET_TIMERSLACK));
    CHECK(sched_getscheduler(0) == SCHED_IDLE, "the thread's policy is %d", sched_getscheduler(0));
    return NULL;
}

void identity(int argc, char **argv)
{
    (void)argc, (void)argv;
    char text[256], directory[PATH_MAX], now[PATH_MAX];
    pthread_t thread;

    umask(0137);
    MUST(mkdir("where", 0700));
    MUST(chmod("where", 0700));
    MUST(chdir("where"));
    CHECK(getcwd(directory, sizeof directory), "getcwd: %s", strerror(errno));
    // Cut in the middle of a letter, as the kernel cuts long names.
    MUST(prctl(PR_SET_NAME, "a) (na\nme\xc3"));
    MUST(prctl(PR_SET_PDEATHSIG, 0));
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        MUST(setrlimit(limits[i].resource, &limits[i].value));
    MUST(setpriority(PRIO_PROCESS, 0, 5));
    struct sched_param zero = {0};
    const int policy = SCHED_BATCH | SCHED_RESET_ON_FORK;
    MUST(sched_setscheduler(0, policy, &zero));
    MUST(prctl(PR_SET_TIMERSLACK, 123456));
    const int io_priority = 2 << 13 | 7;
    MUST(syscall(SYS_ioprio_set, 1, 0, io_priority));
    write_small("/proc/self/coredump_filter", "0x5");
    cpu_set_t affinity, affinity_now;
    MUST(sched_getaffinity(0, sizeof affinity, &affinity));
    int last = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &affinity)) last = cpu;
    CPU_ZERO(&affinity);
    CPU_SET(last, &affinity);
    MUST(sched_setaffinity(0, sizeof affinity, &affinity));
    write_small("/proc/self/oom_score_adj", "321");
    MUST(personality(ADDR_NO_RANDOMIZE));
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    CHECK(pthread_create(&thread, NULL, run_thread, NULL) == 0, "pthread_create");
    await_flag(&thread_ready);

    subject_ready();
    subject_await_check();

    mode_t mask = umask(0);
    CHECK(mask == 0137, "umask is 0%o", mask);
    CHECK(getcwd(now, sizeof now) && strcmp(now, directory) == 0, "cwd was %s, is %s", directory, now);
    MUST(prctl(PR_GET_NAME, text));
    CHECK(strcmp(text, "a) (na\nme\xc3") == 0, "comm is %s", text);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit limit;
        MUST(getrlimit(limits[i].resource, &limit));
        CHECK(limit.rlim_cur == limits[i].value.rlim_cur && limit.rlim_max == limits[i].value.rlim_max,
              "limit %d is %lu of %lu", limits[i].resource, limit.rlim_cur, limit.rlim_max);
    }
    CHECK(getpriority(PRIO_PROCESS, 0) == 5, "nice value is %d", getpriority(PRIO_PROCESS, 0));
    CHECK(prctl(PR_GET_TIMERSLACK) == 123456, "timer slack is %d", prctl(PR_GET_TIMERSLACK));
    CHECK(syscall(SYS_ioprio_get, 1, 0) == io_priority, "I/O priority is %ld", syscall(SYS_ioprio_get, 1, 0));
    read_small("/proc/self/coredump_filter", text, sizeof text);
    CHECK(strtol(text, NULL, 16) == 5, "coredump_filter is %s", text);
    CHECK(sched_getscheduler(0) == policy, "policy is %d", sched_getscheduler(0));
    MUST(sched_getaffinity(0, sizeof affinity_now, &affinity_now));
    CHECK(CPU_EQUAL(&affinity, &affinity_now), "the affinity changed");
    read_small("/proc/self/oom_score_adj", text, sizeof text);
    CHECK(atoi(text) == 321, "oom_score_adj is %s", text);
    int persona = personality(0xffffffff);
    CHECK(persona == ADDR_NO_RANDOMIZE, "personality is %x", persona);
    int reaper = 0;
    MUST(prctl(PR_GET_CHILD_SUBREAPER, &reaper));
    CHECK(reaper == 1, "no longer a child subreaper");
    thread_go = 1;
    pthread_join(thread, NULL);
}
