// Areas that the kernel treats in ways of their own. What a kernel does not know is left out.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { page = 4096, droppable = 8, guard_install = 102, seal = 462, bind_memory = 2, static_nodes = 1 << 15,
       relative_nodes = 1 << 14, prefer = 1, interleave = 3, local = 4, of_address = 2, set_home = 450, huge = 2 << 20 };

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

// Areas whose memory comes from nodes of their own choice; the last has a part without.
static struct bound {
    int mode;
    unsigned long nodes;
    int flags;
    char *start;
} bound[] = {
    {bind_memory, 1, MAP_PRIVATE, NULL},
    {bind_memory | static_nodes, 3, MAP_PRIVATE, NULL},
    {prefer | relative_nodes, 2, MAP_PRIVATE, NULL},
    {interleave, 1, MAP_SHARED, NULL},
    {local, 0, MAP_PRIVATE, NULL},
};
enum { bound_count = sizeof bound / sizeof bound[0] };

static void bind_areas(void)
{
    for (int i = 0; i < bound_count; i++) {
        part();
        bound[i].start = map(4 * page, bound[i].flags);
        unsigned long nodes[16] = {bound[i].nodes};
        MUST(syscall(SYS_mbind, bound[i].start + page, 2L * page, bound[i].mode, nodes, 1025L, 0L));
        memset(bound[i].start, i, 4 * page);
    }
    syscall(set_home, bound[0].start + page, 2L * page, 0L, 0L);
}

static void check_bound(void)
{
    for (int i = 0; i < bound_count; i++) {
        for (int place = 0; place < 4; place++) {
            bool is_bound = place == 1 || place == 2;
            int mode = 0;
            unsigned long nodes[16] = {0};
            MUST(syscall(SYS_get_mempolicy, &mode, nodes, 1025L, bound[i].start + place * page, of_address));
            CHECK(mode == (is_bound ? bound[i].mode : 0) && nodes[0] == (is_bound ? bound[i].nodes : 0),
                  "page %d of area %d has memory policy %x of nodes %lx", place, i, mode, nodes[0]);
            CHECK(bound[i].start[place * page] == i, "page %d of area %d changed", place, i);
        }
    }
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
    if (has_nodes && !is_common) bind_areas();
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
        check_bound();
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

enum { set_denial = 65, get_denial = 66, set_merging = 67, get_merging = 68, no_gain = 1, not_inherited = 2 };

static bool merges;

// Whether the process may map what it can both write and run, or make run what it could write.
static void check_denial(int flags)
{
    CHECK(prctl(get_denial, 0, 0, 0, 0) == flags, "PR_GET_MDWE is %d", prctl(get_denial, 0, 0, 0, 0));
    void *start = mmap(NULL, page, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK((start == MAP_FAILED) == (flags != 0), "an area that can be written and run is %s", flags ? "made" : "refused");
    char *written = map(page, MAP_PRIVATE);
    int result = mprotect(written, page, PROT_READ | PROT_EXEC);
    CHECK((result == -1) == (flags != 0), "an area that was written is %s to be run", flags ? "made" : "refused");
}

static void deny_in_child(void *flags)
{
    child_ready();
    subject_await_check();
    check_denial(*(int *)flags);
    if (merges) CHECK(prctl(get_merging, 0, 0, 0, 0) == 1, "PR_GET_MEMORY_MERGE of the child");
}

void denials(int argc, char **argv)
{
    int flags = argc > 1 && strcmp(argv[1], "own") == 0 ? no_gain | not_inherited : no_gain;
    // Areas that cannot be made again once the denial holds, one of them sealed.
    char *both = MUST((char *)mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    both[0] = 1;
    part();
    char *code = map(page, MAP_PRIVATE);
    code[0] = (char)0xc3;
    MUST(mprotect(code, page, PROT_READ | PROT_EXEC));
    bool is_sealed = syscall(seal, code, (long)page, 0L) == 0;
    MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    merges = prctl(set_merging, 1, 0, 0, 0) == 0;
    CHECK(prctl(set_denial, flags, 0, 0, 0) == 0 || errno == EINVAL, "PR_SET_MDWE: %s", strerror(errno));
    int denied = prctl(get_denial, 0, 0, 0, 0), inherited = denied == no_gain ? no_gain : 0;
    pid_t child = child_start(deny_in_child, &inherited);

    subject_ready();
    subject_await_check();

    child_expect(child, 0);
    check_denial(denied);
    CHECK(both[0] == 1, "the area that can be written and run changed");
    ((void (*)(void))(uintptr_t)code)();
    if (is_sealed) CHECK(mprotect(code, page, PROT_READ) == -1 && errno == EPERM, "the sealed code can be changed");
    CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1, "PR_SET_THP_DISABLE is lost");
    if (merges) CHECK(prctl(get_merging, 0, 0, 0, 0) == 1, "PR_SET_MEMORY_MERGE is lost");
}
