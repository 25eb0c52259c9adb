#include "subject.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { thread_count = 5 };

struct member {
    pthread_t thread;
    int index;
    pid_t tid;
    int ready;
};

static struct member members[thread_count];
static pthread_mutex_t robust_mutex;
static volatile int finish;
static __thread uint64_t thread_local_value;

static void thread_signals(int index, sigset_t *mask)
{
    sigemptyset(mask);
    sigaddset(mask, SIGUSR1 + index % 2);
    sigaddset(mask, SIGRTMIN + index);
}

static void check_member(const struct member *member, const void *robust_head, const stack_t *stack)
{
    int index = member->index;
    pid_t tid = syscall(SYS_gettid);
    CHECK(tid == member->tid, "thread %d: tid was %d, is %d", index, member->tid, tid);
    CHECK(thread_local_value == 0xabc0u + index, "thread %d: thread-local value %lx", index, thread_local_value);

    char name[16], expected[16];
    snprintf(expected, sizeof expected, "member-%d", index);
    MUST(prctl(PR_GET_NAME, name));
    CHECK(strcmp(name, expected) == 0, "thread %d: name %s", index, name);

    sigset_t mask, wanted;
    thread_signals(index, &wanted);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (int signal = 1; signal < SIGRTMAX; signal++)
        CHECK(sigismember(&mask, signal) == sigismember(&wanted, signal), "thread %d: mask of signal %d", index, signal);

    stack_t current;
    MUST(sigaltstack(NULL, &current));
    CHECK(current.ss_sp == stack->ss_sp && current.ss_size == stack->ss_size && current.ss_flags == 0,
          "thread %d: alternate stack changed", index);

    void *head;
    size_t length;
    MUST(syscall(SYS_get_robust_list, 0, &head, &length));
    CHECK(head == robust_head, "thread %d: robust list was %p, is %p", index, robust_head, head);
}

static void *run_member(void *argument)
{
    struct member *member = argument;
    sigset_t mask;
    char name[16];
    void *robust_head;
    size_t length;

    member->tid = syscall(SYS_gettid);
    thread_local_value = 0xabc0u + member->index;
    snprintf(name, sizeof name, "member-%d", member->index);
    MUST(prctl(PR_SET_NAME, name));
    thread_signals(member->index, &mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    stack_t stack = {.ss_size = 16384 + 4096 * member->index};
    stack.ss_sp = malloc(stack.ss_size);
    MUST(sigaltstack(&stack, NULL));
    MUST(syscall(SYS_get_robust_list, 0, &robust_head, &length));
    if (member->index == 0) pthread_mutex_lock(&robust_mutex);
    __atomic_store_n(&member->ready, 1, __ATOMIC_RELEASE);

    // Half of the threads spin, half sleep.
    while (!finish)
        if (member->index % 2) pause_ns(3000000);
    check_member(member, robust_head, &stack);
    return (void *)(uintptr_t)(member->index + 1);
}

static void *run_late(void *argument)
{
    return argument;
}

void threads(int argc, char **argv)
{
    (void)argc, (void)argv;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust_mutex, &attributes);
    for (int i = 0; i < thread_count; i++) {
        members[i].index = i;
        CHECK(pthread_create(&members[i].thread, NULL, run_member, &members[i]) == 0, "pthread_create");
        await_flag(&members[i].ready);
    }
    subject_ready();
    subject_await_check();
    finish = 1;
    for (int i = 0; i < thread_count; i++) {
        void *result;
        CHECK(pthread_join(members[i].thread, &result) == 0, "pthread_join of thread %d", i);
        CHECK(result == (void *)(uintptr_t)(i + 1), "thread %d returned %p", i, result);
    }
    CHECK(pthread_mutex_lock(&robust_mutex) == EOWNERDEAD, "the robust mutex of a dead owner was not given up");
    pthread_t late;
    void *result;
    CHECK(pthread_create(&late, NULL, run_late, members) == 0, "no new thread after the restore");
    CHECK(pthread_join(late, &result) == 0 && result == members, "the new thread returned %p", result);
}
