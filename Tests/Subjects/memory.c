#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { page = 4096 };

static const size_t area_size = 1 << 20;

static char *map(size_t size, int protection, int flags, int fd)
{
    return MUST((char *)mmap(NULL, size, protection, flags, fd, 0));
}

static char *map_anonymous(size_t size, int flags)
{
    return map(size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1);
}

static int make_file(const char *name, size_t size, uint64_t seed)
{
    int fd = MUST(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    char *bytes = malloc(size);
    pattern_fill(bytes, size, seed);
    CHECK(write(fd, bytes, size) == (ssize_t)size, "%s: %s", name, strerror(errno));
    free(bytes);
    return fd;
}

// The two-letter flag of the area that starts at `start`, see VmFlags in proc(5).
static bool has_flag(const void *start, const char *flag)
{
    char line[512], wanted[32];
    bool inside = false, found = false;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    CHECK(smaps, "/proc/self/smaps: %s", strerror(errno));
    snprintf(wanted, sizeof wanted, "%lx-", (unsigned long)(uintptr_t)start);
    while (fgets(line, sizeof line, smaps)) {
        if (strncmp(line, wanted, strlen(wanted)) == 0) inside = true;
        if (!inside || strncmp(line, "VmFlags:", 8) != 0) continue;
        for (char *word = strtok(line + 8, " \n"); word; word = strtok(NULL, " \n")) found |= strcmp(word, flag) == 0;
        break;
    }
    fclose(smaps);
    return found;
}

struct advised {
    int advice;
    const char *flag;
    char *start;
};

static struct advised advised[] = {
    {MADV_DONTFORK, "dc", NULL},    {MADV_DONTDUMP, "dd", NULL}, {MADV_WIPEONFORK, "wf", NULL},
    {MADV_SEQUENTIAL, "sr", NULL}, {MADV_RANDOM, "rr", NULL},
    {MADV_NOHUGEPAGE, "nh", NULL},  {MADV_HUGEPAGE, "hg", NULL}, {MADV_MERGEABLE, "mg", NULL},
};
static const size_t advised_count = sizeof advised / sizeof advised[0];

static void set_advice(void)
{
    for (size_t i = 0; i < advised_count; i++) {
        advised[i].start = map_anonymous(4 * page, MAP_PRIVATE);
        // A kernel may be built without huge pages or page merging.
        if (madvise(advised[i].start, 4 * page, advised[i].advice)) advised[i].flag = NULL;
        pattern_fill(advised[i].start, 4 * page, 500 + i);
        // A page of nothing between two areas keeps the kernel from merging them.
        map(page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    }
}

static void check_advice(void)
{
    for (size_t i = 0; i < advised_count; i++) {
        pattern_check(advised[i].start, 4 * page, 500 + i, "advised area");
        CHECK(!advised[i].flag || has_flag(advised[i].start, advised[i].flag), "an area lost its VmFlag %s",
              advised[i].flag);
    }
}

static char *shared_area;

static void share_with_parent(void *argument)
{
    (void)argument;
    child_ready();
    subject_await_check();
    // The parent writes first, then the child answers in the next page.
    volatile uint64_t *words = (volatile uint64_t *)shared_area;
    int64_t deadline = monotonic_ns() + 10000000000;
    while (words[0] != 42 && monotonic_ns() < deadline) pause_ns(1000000);
    CHECK(words[0] == 42, "the child does not see what the parent writes into shared memory");
    words[page / 8] = 43;
}

static void check_sharing(pid_t child)
{
    volatile uint64_t *words = (volatile uint64_t *)shared_area;
    words[0] = 42;
    child_expect(child, 0);
    CHECK(words[page / 8] == 43, "the parent does not see what the child writes into shared memory");
}

static int answer(char *code)
{
    int (*function)(void);
    memcpy(&function, &code, sizeof function);
    return function();
}

void memory(int argc, char **argv)
{
    (void)argc, (void)argv;
    char on_stack[8 * page];
    pattern_fill(on_stack, sizeof on_stack, 1);

    char *sparse = map_anonymous(16 * area_size, MAP_PRIVATE);
    for (size_t offset = 0; offset < 16 * area_size; offset += 4 * area_size)
        pattern_fill(sparse + offset, page, offset);
    char *reserved = map((size_t)64 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    MUST(mprotect(reserved + area_size, area_size, PROT_READ | PROT_WRITE));
    pattern_fill(reserved + area_size, area_size, 2);

    shared_area = map_anonymous(area_size, MAP_SHARED);
    pattern_fill(shared_area + 2 * page, area_size - 2 * page, 3);

    int fd = make_file("mapped-private", 16 * page, 4);
    char *copied = map(16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    pattern_fill(copied + 3 * page, 2 * page, 5);
    close(fd);
    fd = make_file("mapped-shared", 16 * page, 6);
    char *written = map(16 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    pattern_fill(written + 5 * page, page, 7);
    char *seen_only = map(16 * page, PROT_READ, MAP_SHARED, fd);
    close(fd);
    fd = make_file("mapped-unlinked", 8 * page, 8);
    char *ghost = map(8 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    char *ghost_copied = map(8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    pattern_fill(ghost + page, page, 9);
    pattern_fill(ghost_copied + 2 * page, page, 10);
    close(fd);
    MUST(unlink("mapped-unlinked"));
    fd = MUST(open("/dev/zero", O_RDWR | O_CLOEXEC));
    char *zero = map(4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    pattern_fill(zero + page, page, 11);
    close(fd);

    char *hidden = map_anonymous(4 * page, MAP_PRIVATE);
    pattern_fill(hidden, 4 * page, 12);
    MUST(mprotect(hidden, 4 * page, PROT_NONE));
    char *constant = map_anonymous(4 * page, MAP_PRIVATE);
    pattern_fill(constant, 4 * page, 13);
    MUST(mprotect(constant, 4 * page, PROT_READ));
    char *code = map_anonymous(page, MAP_PRIVATE);
    memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6);
    MUST(mprotect(code, page, PROT_READ | PROT_EXEC));

    // Room below, so that the area can grow after the restore.
    char *room = map((size_t)4 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    MUST(munmap(room, (size_t)4 << 20));
    char *growing = MUST((char *)mmap(room + (3 << 20), 4 * page, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0));
    pattern_fill(growing, 4 * page, 14);

    char *heap = sbrk(area_size);
    CHECK(heap != (void *)-1, "sbrk: %s", strerror(errno));
    pattern_fill(heap, area_size, 15);
    void *heap_end = sbrk(0);
    set_advice();
    pid_t child = child_start(share_with_parent, NULL);

    subject_ready();
    subject_await_check();

    pattern_check(on_stack, sizeof on_stack, 1, "stack");
    for (size_t offset = 0; offset < 16 * area_size; offset += 4 * area_size) {
        pattern_check(sparse + offset, page, offset, "sparse area");
        for (size_t i = page; i < 8 * page; i++) CHECK(sparse[offset + i] == 0, "a page never touched is not zero");
    }
    pattern_check(reserved + area_size, area_size, 2, "island in a reservation");
    pattern_check(shared_area + 2 * page, area_size - 2 * page, 3, "shared anonymous area");
    check_sharing(child);

    // A page of its own: page 0 is the file's, pages 3 and 4 are ours.
    char *expected = malloc(16 * page);
    pattern_fill(expected, 16 * page, 4);
    CHECK(memcmp(copied, expected, 3 * page) == 0, "private file mapping: a page of the file changed");
    CHECK(memcmp(copied + 5 * page, expected + 5 * page, 11 * page) == 0, "private file mapping: the tail changed");
    pattern_check(copied + 3 * page, 2 * page, 5, "private file mapping, own pages");
    pattern_fill(expected, 16 * page, 6);
    CHECK(memcmp(written, expected, 5 * page) == 0, "shared file mapping changed");
    pattern_check(written + 5 * page, page, 7, "shared file mapping, written page");
    pattern_fill(written + 9 * page, page, 16);
    pattern_check(seen_only + 9 * page, page, 16, "second mapping of the file");
    fd = MUST(open("mapped-shared", O_RDONLY | O_CLOEXEC));
    CHECK(pread(fd, expected, page, 9 * page) == page, "mapped-shared: %s", strerror(errno));
    pattern_check(expected, page, 16, "the file behind the shared mapping");
    close(fd);
    pattern_fill(expected, 8 * page, 8);
    CHECK(memcmp(ghost + 2 * page, expected + 2 * page, 6 * page) == 0, "unlinked file: contents changed");
    pattern_check(ghost + page, page, 9, "unlinked file, shared page");
    pattern_check(ghost_copied + 2 * page, page, 10, "unlinked file, own page");
    pattern_fill(ghost + 4 * page, page, 17);
    pattern_check(ghost_copied + 4 * page, page, 17, "two mappings of one unlinked file");
    pattern_check(zero + page, page, 11, "private /dev/zero");
    CHECK(zero[0] == 0 && zero[2 * page] == 0, "private /dev/zero is not zero");

    MUST(mprotect(hidden, 4 * page, PROT_READ));
    pattern_check(hidden, 4 * page, 12, "area without access");
    pattern_check(constant, 4 * page, 13, "read-only area");
    CHECK(answer(code) == 42, "code in anonymous memory");
    pattern_check(growing, 4 * page, 14, "growing area");
    CHECK(has_flag(growing, "gd"), "the growing area lost its flag");
    growing[-page] = 1;
    pattern_check(heap, area_size, 15, "heap");
    CHECK(sbrk(0) == heap_end, "the program break moved");
    CHECK(sbrk(area_size) == heap_end, "the program break cannot grow: %s", strerror(errno));
    check_advice();
}
