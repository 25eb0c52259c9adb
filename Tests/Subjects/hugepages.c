// Shared memory in huge pages: memfds, anonymous memory that a child has too, and segments of System V IPC.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { huge = 2 << 20, page = 4096, two_megabytes = 21 << 26 };

static char *anonymous;

static bool is_huge(int fd)
{
    struct statfs facts;
    MUST(fstatfs(fd, &facts));
    return facts.f_type == 0x958458f6 && facts.f_bsize == huge;
}

static void answer(void *unused)
{
    (void)unused;
    child_ready();
    while (__atomic_load_n(&anonymous[huge + 1], __ATOMIC_ACQUIRE) != 7) pause_ns(5000000);
    pattern_check(anonymous, page, 3, "shared anonymous huge pages in the child");
    __atomic_store_n(&anonymous[huge + 2], 8, __ATOMIC_RELEASE);
}

// Of two segments one is attached by nobody; both are used behind the end that was asked for.
static int make_segment(uint64_t seed)
{
    int id = MUST(shmget(IPC_PRIVATE, huge + 100, IPC_CREAT | SHM_HUGETLB | two_megabytes | 0600));
    char *start = MUST((char *)shmat(id, NULL, 0));
    pattern_fill(start, page, seed);
    pattern_fill(start + 2 * huge - page, page, seed + 1);
    MUST(shmdt(start));
    return id;
}

static void check_segment(int id, uint64_t seed)
{
    char *start = MUST((char *)shmat(id, NULL, 0));
    pattern_check(start, page, seed, "segment of huge pages");
    pattern_check(start + 2 * huge - page, page, seed + 1, "end of a segment of huge pages");
    MUST(shmdt(start));
    MUST(shmctl(id, IPC_RMID, NULL));
}

void huge_pages(int argc, char **argv)
{
    bool has_segments = argc < 2 || strcmp(argv[1], "files") != 0;
    int fd = MUST(memfd_create("large", MFD_HUGETLB | two_megabytes | MFD_ALLOW_SEALING));
    MUST(ftruncate(fd, 3 * huge));
    MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    char *shared = MUST(mmap(NULL, 3 * huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0));
    pattern_fill(shared + 2 * huge + 5 * page, 2 * page, 1);
    char *private = MUST(mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 2 * huge));
    pattern_fill(private + 6 * page, page, 2);
    MUST(lseek(fd, 12345, SEEK_SET));
    // Nobody maps it.
    int unmapped = MUST(memfd_create("unmapped", MFD_HUGETLB | two_megabytes));
    MUST(ftruncate(unmapped, huge));
    char *start = MUST(mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_SHARED, unmapped, 0));
    pattern_fill(start, huge, 4);
    MUST(munmap(start, huge));
    anonymous = MUST(mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | two_megabytes, -1, 0));
    pattern_fill(anonymous, page, 3);
    int idle = has_segments ? make_segment(5) : 0, used = has_segments ? make_segment(7) : 0;
    char *area = has_segments ? MUST((char *)shmat(used, NULL, 0)) : NULL;
    pid_t child = child_start(answer, NULL);

    subject_ready();
    subject_await_check();

    CHECK(is_huge(fd) && is_huge(unmapped), "a memfd is not in huge pages any more");
    pattern_check(shared + 2 * huge + 5 * page, 2 * page, 1, "memfd of huge pages");
    pattern_check(private + 6 * page, page, 2, "private mapping of a memfd of huge pages");
    struct stat facts;
    MUST(fstat(fd, &facts));
    CHECK(facts.st_size == 3 * huge && facts.st_blocks == huge / 512, "%ld bytes and %ld blocks of a memfd with holes",
          (long)facts.st_size, (long)facts.st_blocks);
    private[0] = 1;
    CHECK(shared[2 * huge] == 0 && shared[0] == 0, "a private mapping is shared, or a hole has contents");
    shared[5] = 'x';
    char byte;
    CHECK(pread(fd, &byte, 1, 5) == 1 && byte == 'x', "the mapping is not of the memfd any more");
    CHECK(lseek(fd, 0, SEEK_CUR) == 12345, "offset of a memfd is %ld", lseek(fd, 0, SEEK_CUR));
    CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_GROW && fcntl(unmapped, F_GET_SEALS) == F_SEAL_SEAL, "seals changed");
    start = MUST(mmap(NULL, huge, PROT_READ, MAP_SHARED, unmapped, 0));
    pattern_check(start, huge, 4, "memfd that nobody maps");
    pattern_check(anonymous, page, 3, "shared anonymous huge pages");
    __atomic_store_n(&anonymous[huge + 1], 7, __ATOMIC_RELEASE);
    child_expect(child, 0);
    CHECK(anonymous[huge + 2] == 8, "anonymous memory is not shared with the child any more");
    if (!has_segments) return;
    pattern_check(area, page, 7, "attached segment of huge pages");
    check_segment(used, 7);
    check_segment(idle, 5);
}
