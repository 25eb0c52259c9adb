// Deleted files whose content travels in the image: one larger than a default limit, one of 1 GiB that is nearly all holes.
#include "subject.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { piece = 64 << 10 };
static const off_t big_size = 3 << 20, sparse_size = 1 << 30;
static char bytes[piece], found[piece];

static int make(void)
{
    int fd = MUST(open("ghost", O_RDWR | O_CREAT | O_EXCL, 0640));
    MUST(unlink("ghost"));
    return fd;
}

static void put(int fd, off_t offset)
{
    pattern_fill(bytes, piece, offset + 1);
    CHECK(pwrite(fd, bytes, piece, offset) == piece, "pwrite: %s", strerror(errno));
}

static void expect(int fd, off_t offset)
{
    CHECK(pread(fd, found, piece, offset) == piece, "pread: %s", strerror(errno));
    pattern_check(found, piece, offset + 1, "a piece of the deleted file");
}

static void expect_status(int fd, off_t size, off_t most_allocated)
{
    struct stat status;
    MUST(fstat(fd, &status));
    CHECK(status.st_nlink == 0, "it has %d names", (int)status.st_nlink);
    CHECK(status.st_size == size, "it has %lld bytes", (long long)status.st_size);
    CHECK(status.st_blocks * 512 <= most_allocated, "it takes %lld bytes of the disk", (long long)status.st_blocks * 512);
    CHECK(lseek(fd, 0, SEEK_CUR) == 12345, "offset is %lld", (long long)lseek(fd, 0, SEEK_CUR));
}

static void big(void)
{
    int fd = make();
    for (off_t offset = 0; offset < big_size; offset += piece) put(fd, offset);
    MUST(lseek(fd, 12345, SEEK_SET));
    subject_ready();
    subject_await_check();
    expect_status(fd, big_size, big_size + piece);
    for (off_t offset = 0; offset < big_size; offset += piece) expect(fd, offset);
}

static void sparse(void)
{
    int fd = make();
    const off_t places[] = {300 << 20, sparse_size - piece};
    MUST(ftruncate(fd, sparse_size));
    put(fd, places[0]);
    put(fd, places[1]);
    MUST(lseek(fd, 12345, SEEK_SET));
    subject_ready();
    subject_await_check();
    expect_status(fd, sparse_size, 4 * piece);
    expect(fd, places[0]);
    expect(fd, places[1]);
    // Nothing but zeros around them.
    const off_t empty[] = {0, places[0] - piece, places[0] + piece, places[1] - piece};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        CHECK(pread(fd, found, piece, empty[i]) == piece, "pread: %s", strerror(errno));
        for (size_t k = 0; k < piece; k++) CHECK(found[k] == 0, "a byte at %lld", (long long)(empty[i] + k));
    }
}

void ghosts(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "big") == 0) return big();
    if (argc == 2 && strcmp(argv[1], "sparse") == 0) return sparse();
    subject_fail("usage: ghosts big | sparse");
}
