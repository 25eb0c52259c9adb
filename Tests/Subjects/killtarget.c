#include "killtarget.h"

#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Three processes of three threads. One thread of each computes, one sleeps in short system calls, one passes a byte through
// a pipe; each looks at its memory, floating-point state, mask, alternate stack and thread-local value at every turn.
// Those that compute rest now and then: whoever kills a tracer a thousand times wants the processors for that.
static const size_t own_size = 64 << 10;

static struct killtarget_page *page;
static __thread uint64_t local_value;

static void report(struct killtarget_slot *slot, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!slot->damage) vsnprintf(slot->reason, sizeof slot->reason, format, arguments);
    va_end(arguments);
    __atomic_store_n(&slot->damage, 1, __ATOMIC_RELEASE);
}

// Holds values in vector, x87 and general registers for a while, without a call in between; 0 if all kept theirs.
static int registers_kept(uint64_t seed)
{
    uint64_t vector[4] __attribute__((aligned(32))) = {seed, ~seed, seed * 3, seed * 7}, after[4] __attribute__((aligned(32)));
    double pushed = (double)(seed & 0xffff) + 0.5, popped = 0;
    uint64_t general = seed, turns = 20000;
    __asm__ volatile(
        "movdqa (%[in]), %%xmm7\n"
        "movdqa 16(%[in]), %%xmm15\n"
        "fldl %[pushed]\n"
        "mov %[general], %%r13\n"
        "1: dec %[turns]\n"
        "jnz 1b\n"
        "mov %%r13, %[general]\n"
        "fstpl %[popped]\n"
        "movdqa %%xmm7, (%[out])\n"
        "movdqa %%xmm15, 16(%[out])\n"
        : [turns] "+r"(turns), [general] "+r"(general), [popped] "=m"(popped)
        : [in] "r"(vector), [out] "r"(after), [pushed] "m"(pushed)
        : "xmm7", "xmm15", "r13", "st", "memory", "cc");
    return memcmp(vector, after, sizeof vector) != 0 || popped != pushed || general != seed;
}

// The word that is inverted in this turn: never the first, and another one in each of 64 turns that follow each other.
static size_t flipped_word(uint64_t turn) { return 1 + turn * 67 % (own_size / 8 - 1); }

// One short system call that a mere stop could end with EINTR.
static const char *short_call(uint64_t turn, int ends[2])
{
    static const struct timespec briefly = {0, 2000000};
    char byte = 'x';
    struct pollfd none = {-1, 0, 0};
    switch (turn % 3) {
    case 0: return syscall(SYS_nanosleep, &briefly, NULL) == 0 ? NULL : "nanosleep";
    case 1: return syscall(SYS_poll, &none, 1, 2) == 0 ? NULL : "poll";
    default: return write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1 ? NULL : "pipe";
    }
}

static void *watch(void *argument)
{
    struct killtarget_slot *slot = argument;
    uint64_t index = slot - page->slot, seed = index + 1, mirror = 0;
    int ends[2];
    sigset_t mask, now;

    uint64_t *own = MUST((uint64_t *)mmap(NULL, own_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(pipe2(ends, O_CLOEXEC));
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + 1 + (int)index);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    stack_t stack = {.ss_sp = malloc(32768 + 4096 * index), .ss_size = 32768 + 4096 * index}, stack_now;
    MUST(sigaltstack(&stack, NULL));
    local_value = seed * 1000;
    pattern_fill(own, own_size, seed);
    slot->pid = getpid();
    __atomic_store_n(&slot->tid, gettid(), __ATOMIC_RELEASE);

    for (uint64_t turn = 0; !slot->damage; turn++) {
        if (registers_kept(seed * 0x123456789u + turn)) report(slot, "registers changed");
        if (turn % 16 == 0 && subject_check_requested()) return NULL;
        const char *failed = index % killtarget_threads ? short_call(turn + index, ends) : NULL;
        if (failed) report(slot, "%s: %s", failed, strerror(errno));
        size_t word = flipped_word(turn);
        uint64_t expected[2];
        pattern_fill(expected, sizeof expected, seed);
        if (own[0] != expected[0]) report(slot, "memory changed at its start");
        // One word a turn is taken out and put back, so that stale memory is seen too.
        own[word] = ~own[word];
        if (turn % 64 == 63) {
            for (uint64_t back = turn - 63; back <= turn; back++) {
                size_t at = flipped_word(back);
                own[at] = ~own[at];
            }
            uint64_t *whole = malloc(own_size);
            pattern_fill(whole, own_size, seed);
            if (memcmp(whole, own, own_size)) report(slot, "memory changed");
            free(whole);
            if (index % killtarget_threads == 0) pause_ns(2000000);
        }
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        if (memcmp(&mask, &now, 8)) report(slot, "the signal mask changed");
        if (sigaltstack(NULL, &stack_now) || stack_now.ss_sp != stack.ss_sp || stack_now.ss_size != stack.ss_size)
            report(slot, "the alternate stack changed");
        if (local_value != seed * 1000) report(slot, "the thread-local value changed");
        if (slot->turns != mirror) report(slot, "the counter was %lu, is %lu", mirror, slot->turns);
        if ((pid_t)slot->tid != gettid() || (pid_t)slot->pid != getpid()) report(slot, "the ids changed");
        __atomic_store_n(&slot->turns, ++mirror, __ATOMIC_RELEASE);
    }
    subject_await_check();
    return NULL;
}

// Starts this process's threads and returns once all of them are at work.
static void start_threads(int process, pthread_t *threads)
{
    for (int i = 0; i < killtarget_threads; i++) {
        struct killtarget_slot *slot = &page->slot[process * killtarget_threads + i];
        CHECK(pthread_create(&threads[i], NULL, watch, slot) == 0, "pthread_create");
        await_flag((volatile int *)&slot->tid);
    }
}

static void join_threads(int process, pthread_t *threads)
{
    for (int i = 0; i < killtarget_threads; i++) {
        struct killtarget_slot *slot = &page->slot[process * killtarget_threads + i];
        pthread_join(threads[i], NULL);
        CHECK(!slot->damage, "thread %u: %s", slot->tid, slot->reason);
    }
}

// Runs in the main threads, for as long as a tracer's death and all that follows it may take.
static void handle_slowly(int signal)
{
    static const struct timespec a_while = {0, 300000000};
    (void)signal;
    nanosleep(&a_while, NULL);
}

static void one_process(void *argument)
{
    int process = *(int *)argument;
    pthread_t threads[killtarget_threads];
    start_threads(process, threads);
    child_ready();
    join_threads(process, threads);
}

void killtarget(int argc, char **argv)
{
    CHECK(argc == 2, "usage: killtarget PAGE");
    int fd = MUST(open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    MUST(ftruncate(fd, sizeof *page));
    page = MUST((struct killtarget_page *)mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    struct sigaction action = {.sa_handler = handle_slowly, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR1, &action, NULL));
    page->slots = killtarget_processes * killtarget_threads;
    page->magic = killtarget_magic;
    pid_t children[killtarget_processes];
    for (int process = 1; process < killtarget_processes; process++) children[process] = child_start(one_process, &process);
    pthread_t threads[killtarget_threads];
    start_threads(0, threads);
    subject_ready();
    join_threads(0, threads);
    for (int process = 1; process < killtarget_processes; process++) child_expect(children[process], 0);
}
