#include "subject.h"

#include <pthread.h>
#include <sched.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { rseq_threads = 2 };

struct worker {
    pthread_t thread;
    int ready;
    uint64_t aborts, broken;
};

static volatile int finish;

static struct rseq *own_area(void)
{
    return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

// A second registration is refused with EBUSY only while the first one stands, see rseq(2).
static void check_registration(void)
{
    long result = syscall(SYS_rseq, own_area(), 32, 0, RSEQ_SIG);
    CHECK(result == -1 && errno == EBUSY, "the rseq area is no longer registered: result %ld, %s", result,
          strerror(errno));
    cpu_set_t before;
    MUST(sched_getaffinity(0, sizeof before, &before));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &before)) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        MUST(sched_setaffinity(0, sizeof one, &one));
        uint32_t seen = *(volatile uint32_t *)&own_area()->cpu_id;
        CHECK(seen == (uint32_t)cpu, "rseq says cpu %u on cpu %d", seen, cpu);
    }
    MUST(sched_setaffinity(0, sizeof before, &before));
}

// Spins inside one critical section until `finish`. The kernel sends a preempted thread to the abort address; to be
// inside with the field cleared means that somebody moved the thread on without that: counted in `broken`.
static void critical_section(struct worker *worker)
{
    struct rseq *area = own_area();
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"\n"
        ".balign 32\n"
        "3: .long 0, 0\n"
        ".quad 1f, 2f - 1f, 4f\n"
        ".popsection\n"
        "0: leaq 3b(%%rip), %%rax\n"
        "movq %%rax, 8(%[area])\n"
        "1: cmpl $0, %[finish]\n"
        "jne 2f\n"
        "cmpq %%rax, 8(%[area])\n"
        "je 1b\n"
        "jmp 5f\n"
        "2: jmp 6f\n"
        ".byte 0x0f, 0xb9, 0x3d\n"
        ".long 0x53053053\n"
        "4: incq %[aborts]\n"
        "jmp 0b\n"
        "5: incq %[broken]\n"
        "6: movq $0, 8(%[area])\n"
        : [aborts] "+m"(worker->aborts), [broken] "+m"(worker->broken)
        : [area] "r"(area), [finish] "m"(finish)
        : "rax", "memory", "cc");
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    __atomic_store_n(&worker->ready, 1, __ATOMIC_RELEASE);
    critical_section(worker);
    check_registration();
    return NULL;
}

void rseq(int argc, char **argv)
{
    (void)argc, (void)argv;
    static struct worker workers[rseq_threads];
    CHECK(__rseq_size > 0, "the C library did not register rseq");
    check_registration();
    for (int i = 0; i < rseq_threads; i++) {
        CHECK(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0, "pthread_create");
        await_flag(&workers[i].ready);
    }
    subject_ready();
    subject_await_check();
    check_registration();
    finish = 1;
    for (int i = 0; i < rseq_threads; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECK(workers[i].broken == 0, "thread %d went on inside a critical section that the kernel had given up", i);
    }
}
