#include "subject.h"

#include <sys/mman.h>
#include <unistd.h>

static const size_t heap_size = 64 << 20;

void plain(int argc, char **argv)
{
    (void)argc, (void)argv;
    pid_t pid = getpid(), parent_session = getsid(0);
    char *heap = MUST((char *)mmap(NULL, heap_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    pattern_fill(heap, heap_size, 1);
    volatile uint64_t counter = 0, mirror = ~(uint64_t)0;
    subject_ready();
    while (!subject_check_requested()) {
        CHECK(counter == ~mirror, "the counter went from %lu to %lu", ~mirror, counter);
        counter++;
        mirror = ~counter;
        pause_ns(5000000);
    }
    pattern_check(heap, heap_size, 1, "heap");
    CHECK(getpid() == pid, "pid was %d, is %d", pid, getpid());
    CHECK(getsid(0) == parent_session, "session was %d, is %d", parent_session, getsid(0));
}
