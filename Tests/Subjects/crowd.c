// Many threads, each with something of its own that only a thread itself is told.
#include "subject.h"

#include <linux/securebits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { crowd_count = 40, stack_size = 32768 };
// Threads that are unlike the others.
enum { with_policy = 5, with_secure_bits = 7, with_user = 9, on_stack = 11, disarming = 13, without_stack = 15 };

struct state {
    unsigned long slack;
    int death_signal, secure_bits, policy, stack_flags;
    uid_t user;
    void *stack;
    size_t stack_bytes;
};

static struct state before[crowd_count];
static pthread_barrier_t ready;
static volatile int finish;

static struct state seen(void)
{
    struct state state = {0};
    stack_t stack;
    state.slack = MUST(prctl(PR_GET_TIMERSLACK));
    MUST(prctl(PR_GET_PDEATHSIG, &state.death_signal));
    state.secure_bits = MUST(prctl(PR_GET_SECUREBITS));
    if (syscall(SYS_get_mempolicy, &state.policy, NULL, 0, NULL, 0) < 0) state.policy = -errno;
    MUST(sigaltstack(NULL, &stack));
    state.stack_flags = stack.ss_flags;
    state.stack = stack.ss_sp;
    state.stack_bytes = stack.ss_size;
    state.user = geteuid();
    return state;
}

static void change(int index)
{
    MUST(prctl(PR_SET_TIMERSLACK, 60000UL + 1000 * index));
    MUST(prctl(PR_SET_PDEATHSIG, SIGRTMIN + index % 20));
    if (index != without_stack) {
        stack_t stack = {.ss_size = stack_size, .ss_flags = index == disarming ? (int)(1U << 31) : 0};
        stack.ss_sp = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(stack.ss_sp != MAP_FAILED, "mmap: %s", strerror(errno));
        MUST(sigaltstack(&stack, NULL));
    }
    int interleave = 3;
    unsigned long nodes = 1;
    // A kernel without NUMA says so.
    if (index == with_policy && syscall(SYS_set_mempolicy, interleave, &nodes, 8 * sizeof nodes) < 0)
        CHECK(errno == ENOSYS, "set_mempolicy: %s", strerror(errno));
    if (index == with_secure_bits) MUST(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
    // Of this thread alone; with capabilities it would be dumped as any other.
    if (index == with_user) {
        MUST(syscall(SYS_setresuid, -1, 65534, -1));
        // Was set back with the ids.
        MUST(prctl(PR_SET_PDEATHSIG, SIGRTMIN + index % 20));
    }
}

static void wait_and_look(int index)
{
    before[index] = seen();
    pthread_barrier_wait(&ready);
    while (!finish) pause_ns(2000000);
    struct state now = seen(), was = before[index];
    CHECK(now.slack == was.slack, "thread %d: timer slack %lu, not %lu", index, now.slack, was.slack);
    CHECK(now.death_signal == was.death_signal, "thread %d: signal %d at a death, not %d", index, now.death_signal, was.death_signal);
    CHECK(now.secure_bits == was.secure_bits, "thread %d: securebits %x, not %x", index, now.secure_bits, was.secure_bits);
    CHECK(now.policy == was.policy, "thread %d: memory policy %d, not %d", index, now.policy, was.policy);
    CHECK(now.user == was.user, "thread %d: user %d, not %d", index, now.user, was.user);
    CHECK(now.stack == was.stack && now.stack_bytes == was.stack_bytes && now.stack_flags == was.stack_flags,
          "thread %d: alternate stack %p of %zu, flags %x, not %p of %zu, flags %x", index, now.stack, now.stack_bytes,
          now.stack_flags, was.stack, was.stack_bytes, was.stack_flags);
}

static void handler(int number)
{
    (void)number;
    CHECK(seen().stack_flags == SS_ONSTACK, "not on the alternate stack");
    wait_and_look(on_stack);
}

static void *run(void *argument)
{
    int index = (int)(intptr_t)argument;
    change(index);
    if (index == on_stack) MUST(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
    else wait_and_look(index);
    return NULL;
}

void crowd(int argc, char **argv)
{
    (void)argc, (void)argv;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    MUST(sigaction(SIGUSR1, &action, NULL));
    CHECK(pthread_barrier_init(&ready, NULL, crowd_count + 1) == 0, "no barrier");
    pthread_t threads[crowd_count];
    for (int index = 0; index < crowd_count; index++)
        CHECK(pthread_create(&threads[index], NULL, run, (void *)(intptr_t)index) == 0, "no thread");
    pthread_barrier_wait(&ready);
    subject_ready();
    subject_await_check();
    finish = 1;
    for (int index = 0; index < crowd_count; index++) pthread_join(threads[index], NULL);
}
