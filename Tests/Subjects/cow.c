// Private memory that parent and children share copy-on-write: what each changed is its own, the rest is there once.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { page = 4096, pages = 4096, workers = 6 };

static char *heap, *mapped;
// In shared memory: how much memory of its own each worker has in the heap, and what it asks of the others.
static volatile struct report {
    size_t own[workers + 1];
    bool is_known[workers + 1];
    int go;
} *report;

static uint64_t *word(char *start, int number) { return (uint64_t *)(start + (size_t)number * page); }

// Bytes of an area that nobody else has, and, where wanted, that others have too.
static size_t own_bytes(const char *start, size_t size)
{
    char line[512];
    size_t own = 0;
    bool inside = false;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    CHECK(smaps, "/proc/self/smaps: %s", strerror(errno));
    while (fgets(line, sizeof line, smaps)) {
        unsigned long low, high, kilobytes;
        if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
            inside = low < (unsigned long)start + size && high > (unsigned long)start;
        else if (inside && (sscanf(line, "Private_Clean: %lu", &kilobytes) == 1 ||
                            sscanf(line, "Private_Dirty: %lu", &kilobytes) == 1))
            own += kilobytes << 10;
    }
    fclose(smaps);
    return own;
}

// A worker changes some pages, gives some back, forbids some, and one in three makes a child that does the same.
static void change(int number)
{
    for (int i = number; i < pages; i += 256) *word(heap, i) = (uint64_t)number << 32 | (uint64_t)i;
    MUST(madvise(heap + (size_t)(number * 16 + 8) * page, 4 * page, MADV_DONTNEED));
    MUST(mprotect(heap + (size_t)(number * 16 + 1024) * page, page, PROT_READ));
    *word(mapped, number) = (uint64_t)number;
    // Nobody else has it.
    char *more = MUST((char *)mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    pattern_fill(more, 8 * page, (uint64_t)number);
    MUST(munmap(more + 4 * page, 4 * page));
}

static void check(int number, const bool *changed)
{
    for (int i = 0; i < pages; i++) {
        uint64_t wanted = (uint64_t)i * 7;
        for (int by = 0; by <= workers; by++) {
            if (!changed[by]) continue;
            if (i % 256 == by) wanted = (uint64_t)by << 32 | (uint64_t)i;
            if (i >= by * 16 + 8 && i < by * 16 + 12) wanted = 0;
        }
        CHECK(*word(heap, i) == wanted, "page %d of worker %d holds %llx, not %llx", i, number,
              (unsigned long long)*word(heap, i), (unsigned long long)wanted);
    }
    for (int i = 0; i <= workers; i++)
        CHECK(*word(mapped, i) == (changed[i] ? (uint64_t)i : 0x1111111111111111), "file page %d of worker %d", i, number);
}

static bool changes[workers + 1];

static void work(void *argument)
{
    int number = *(int *)argument;
    changes[number] = true;
    change(number);
    int next = number + 3;
    pid_t child = number <= 3 && next <= workers ? child_start(work, &next) : 0;
    child_ready();
    subject_await_check();
    check(number, changes);
    report->own[number] = own_bytes(heap, (size_t)pages * page);
    report->is_known[number] = true;
    // All look while all are there.
    while (!report->go) pause_ns(1000000);
    if (child) child_expect(child, 0);
}

void cow(int argc, char **argv)
{
    // CRIU shares only areas that are alike from end to end.
    bool is_common = argc > 1 && strcmp(argv[1], "common") == 0;
    report = MUST((volatile struct report *)mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    heap = MUST((char *)mmap(NULL, (size_t)pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(madvise(heap, (size_t)pages * page, MADV_NOHUGEPAGE));
    for (int i = 0; i < pages; i++) *word(heap, i) = (uint64_t)i * 7;
    int fd = MUST(open("mapped", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    char *bytes = malloc(16 * page);
    memset(bytes, 0x11, 16 * page);
    CHECK(write(fd, bytes, 16 * page) == 16 * page, "mapped: %s", strerror(errno));
    mapped = MUST((char *)mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    close(fd);
    free(bytes);
    int numbers[workers + 1];
    pid_t children[workers + 1];
    for (int i = 1; i <= 3; i++) {
        numbers[i] = i;
        children[i] = child_start(work, &numbers[i]);
    }
    // Pages that the parent has changed since, and one that it has none of while the children have.
    changes[0] = true;
    change(0);
    MUST(madvise(heap + 3000 * page, page, MADV_DONTNEED));

    subject_ready();
    subject_await_check();
    CHECK(*word(heap, 3000) == 0, "a page that was given back is there");
    *word(heap, 3000) = 3000 * 7;
    check(0, changes);
    report->own[0] = own_bytes(heap, (size_t)pages * page);
    int64_t deadline = monotonic_ns() + 20000000000;
    for (int i = 1; i <= workers; i++)
        while (!report->is_known[i] && monotonic_ns() < deadline) pause_ns(1000000);
    for (int i = 1; i <= workers; i++) CHECK(report->is_known[i], "worker %d does not answer", i);
    report->go = 1;
    for (int i = 1; i <= 3; i++) child_expect(children[i], 0);
    for (int i = 0; i <= workers && !is_common; i++)
        CHECK(report->own[i] < (size_t)pages * page / 8, "worker %d has %zu KiB of the heap for itself", i,
              report->own[i] >> 10);
}
