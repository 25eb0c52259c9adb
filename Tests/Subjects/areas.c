// Areas that the kernel treats in ways of their own. What a kernel does not know is left out.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { page = 4096, droppable = 8, guard_install = 102, seal = 462, bind_memory = 2, static_nodes = 1 << 15, huge = 2 << 20 };

static char *map(size_t size, int flags)
{
    return MUST((char *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0));
}

// A page of nothing between two areas keeps the kernel from merging them.
static void part(void) { MUST(mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); }

// Whether a line of smaps of the area around an address has a word.
static bool smaps_has(const void *start, const char *line_name, const char *word)
{
    char line[512];
    bool inside = false, found = false;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    CHECK(smaps, "/proc/self/smaps: %s", strerror(errno));
    while (fgets(line, sizeof line, smaps)) {
        unsigned long low, high;
        if (sscanf(line, "%lx-%lx ", &low, &high) == 2) inside = low <= (uintptr_t)start && (uintptr_t)start < high;
        if (!inside || strncmp(line, line_name, strlen(line_name)) != 0) continue;
        for (char *next = strtok(line + strlen(line_name), " \n"); next; next = strtok(NULL, " \n"))
            found |= strcmp(next, word) == 0;
        break;
    }
    fclose(smaps);
    return found;
}

static bool has_flag(const void *start, const char *flag) { return smaps_has(start, "VmFlags:", flag); }

// Whether a byte can be read, asked by a system call.
static bool is_readable(const char *byte)
{
    int ends[2];
    MUST(pipe(ends));
    bool answer = write(ends[1], byte, 1) == 1;
    CHECK(answer || errno == EFAULT, "write: %s", strerror(errno));
    close(ends[0]);
    close(ends[1]);
    return answer;
}

static char *guarded, *guarded_file, *guarded_shared;

static bool guard(char *start) { return madvise(start, page, guard_install) == 0; }

static void make_guards(void)
{
    guarded = map(8 * page, MAP_PRIVATE);
    pattern_fill(guarded, 8 * page, 1);
    if (!guard(guarded + 2 * page)) {
        guarded = NULL;
        return;
    }
    MUST(madvise(guarded + 5 * page, 2 * page, guard_install));
    int fd = MUST(open("guarded", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    MUST(ftruncate(fd, 4 * page));
    guarded_file = MUST((char *)mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    guarded_file[0] = 1;
    close(fd);
    if (!guard(guarded_file + page)) guarded_file = NULL;
    guarded_shared = map(4 * page, MAP_SHARED);
    guarded_shared[2 * page] = 2;
    if (!guard(guarded_shared + 3 * page)) guarded_shared = NULL;
}

static void check_guards(void)
{
    char expected[8 * page];
    pattern_fill(expected, sizeof expected, 1);
    for (int i = 0; guarded && i < 8; i++) {
        bool is_guard = i == 2 || i == 5 || i == 6;
        CHECK(is_readable(guarded + i * page) != is_guard, "page %d of the guarded area: guard %s", i,
              is_guard ? "lost" : "new");
        if (!is_guard)
            CHECK(memcmp(guarded + i * page, expected + i * page, page) == 0, "page %d of the guarded area changed", i);
    }
    if (guarded_file) {
        CHECK(guarded_file[0] == 1 && guarded_file[2 * page] == 0, "the guarded file mapping changed");
        CHECK(!is_readable(guarded_file + page), "the guard in a file mapping is lost");
    }
    if (guarded_shared) {
        CHECK(guarded_shared[2 * page] == 2, "the guarded shared area changed");
        CHECK(!is_readable(guarded_shared + 3 * page), "the guard in a shared area is lost");
    }
}

static void check_huge(char *start)
{
    pattern_check(start, 2 * huge, 9, "huge pages");
    CHECK(has_flag(start, "ht") && smaps_has(start, "KernelPageSize:", "2048"), "the pages are not huge any more");
}

void areas(int argc, char **argv)
{
    char *pages = NULL;
    if (argc > 1 && strcmp(argv[1], "huge") == 0) {
        pages = map(2 * huge, MAP_PRIVATE | MAP_HUGETLB);
        pattern_fill(pages, 2 * huge, 9);
    }
    make_guards();
    char *sealed = map(4 * page, MAP_PRIVATE);
    pattern_fill(sealed, 4 * page, 2);
    MUST(mprotect(sealed, 4 * page, PROT_READ));
    // CRIU does not seal again.
    bool is_common = argc > 1 && strcmp(argv[1], "common") == 0;
    if (is_common || syscall(seal, sealed, 4L * page, 0L)) sealed = NULL;
    part();
    char *dropped = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | droppable, -1, 0);
    if (dropped != MAP_FAILED) memset(dropped, 1, 4 * page);
    // New memory comes from node 0 alone.
    unsigned long nodes[16] = {1};
    bool has_nodes = syscall(SYS_set_mempolicy, bind_memory | static_nodes, nodes, 1025L) == 0;
    part();
    char *locked = map(4 * page, MAP_PRIVATE);
    MUST(mlock(locked, 4 * page));
    part();
    char *locked_later = map(4 * page, MAP_PRIVATE);
    MUST(mlock2(locked_later, 4 * page, MLOCK_ONFAULT));
    locked_later[page] = 3;
    part();
    char *unreserved = map(4 * page, MAP_PRIVATE | MAP_NORESERVE);
    pattern_fill(unreserved, page, 4);
    part();
    char *large = map(8 << 20, MAP_PRIVATE);
    char *aligned = (char *)(((uintptr_t)large + huge - 1) & ~(uintptr_t)(huge - 1));
    bool is_advised = madvise(aligned, huge, MADV_HUGEPAGE) == 0;
    pattern_fill(aligned, huge, 5);
    // As many areas as a large program has: protections that take turns.
    enum { many = 4000 };
    char *lines = map((size_t)many * page, MAP_PRIVATE | MAP_NORESERVE);
    for (int i = 0; i < many; i += 2) MUST(mprotect(lines + (size_t)i * page, page, PROT_READ));
    for (int i = 1; i < many; i += 200) *(int *)(lines + (size_t)i * page) = i;

    subject_ready();
    subject_await_check();

    check_guards();
    if (pages) check_huge(pages);
    if (sealed) {
        pattern_check(sealed, 4 * page, 2, "sealed area");
        CHECK(has_flag(sealed, "sl"), "the seal is lost");
        CHECK(mprotect(sealed, page, PROT_READ | PROT_WRITE) == -1 && errno == EPERM, "the sealed area can be changed");
    }
    if (dropped != MAP_FAILED) {
        CHECK(has_flag(dropped, "dp"), "the droppable area is none any more");
        for (int i = 0; i < 4 * page; i++) CHECK(dropped[i] == 0 || dropped[i] == 1, "the droppable area has other bytes");
        dropped[page] = 7;
    }
    int policy = 0;
    if (has_nodes && !is_common) {
        unsigned long now[16] = {0};
        MUST(syscall(SYS_get_mempolicy, &policy, now, 1025L, 0L, 0L));
        CHECK(policy == (bind_memory | static_nodes) && now[0] == 1, "the memory policy is %x of nodes %lx", policy, now[0]);
    }
    CHECK(has_flag(locked, "lo"), "the area is not locked any more");
    CHECK(is_common || smaps_has(locked, "Rss:", "16"), "pages of the locked area are missing");
    // CRIU locks all pages at once.
    CHECK(has_flag(locked_later, "lo") && (is_common || smaps_has(locked_later, "Rss:", "4")) && locked_later[page] == 3,
          "the area that is locked page by page changed");
    CHECK(has_flag(unreserved, "nr"), "MAP_NORESERVE is lost");
    pattern_check(unreserved, page, 4, "area without reservation");
    pattern_check(aligned, huge, 5, "area for large pages");
    CHECK(!is_advised || has_flag(aligned, "hg"), "MADV_HUGEPAGE is lost");
    for (int i = 1; i < many; i += 200) CHECK(*(int *)(lines + (size_t)i * page) == i, "area %d of many changed", i);
    CHECK(!has_flag(lines, "wr") && has_flag(lines + page, "wr"), "protections of many areas changed");
}
