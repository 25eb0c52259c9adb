// Deleted files whose content travels in the image: one larger than a default limit, one of 1 GiB that is nearly all holes, and
// some with extended attributes.
#include "subject.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
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

struct access_list { uint32_t version; struct { uint16_t tag, rights; uint32_t id; } rows[5]; };
// By linux/posix_acl_xattr.h: owner, a user, the group, what they get at most, others.
static const struct access_list list = {2, {{1, 6, -1}, {2, 4, 1000}, {4, 4, -1}, {16, 6, -1}, {32, 0, -1}}};
// struct vfs_cap_data of linux/capability.h: CAP_NET_RAW, effective.
static const uint32_t capability[5] = {0x02000001, 1u << 13};
static const struct {
    const char *name;
    const void *value;
    size_t size;
    bool only_of_files;
} attributes[] = {
    {"user.origin", "a\0b\xff", 4, false},
    {"user.empty", "", 0, false},
    {"trusted.crplan", "trusted", 7, false},
    {"system.posix_acl_access", &list, sizeof list, false},
    {"security.capability", capability, sizeof capability, true},
};
enum { attribute_count = sizeof attributes / sizeof attributes[0] };

static void give_attributes(int fd, bool is_file)
{
    MUST(fchown(fd, 1000, 1001));
    for (int i = 0; i < attribute_count; i++) {
        if (attributes[i].only_of_files && !is_file) continue;
        CHECK(fsetxattr(fd, attributes[i].name, attributes[i].value, attributes[i].size, 0) == 0, "%s: %s", attributes[i].name,
              strerror(errno));
    }
}

static void expect_attributes(int fd, const char *what, bool is_file, const struct stat *before)
{
    char value[256];
    struct stat now;
    for (int i = 0; i < attribute_count; i++) {
        if (attributes[i].only_of_files && !is_file) continue;
        ssize_t size = fgetxattr(fd, attributes[i].name, value, sizeof value);
        CHECK(size == (ssize_t)attributes[i].size && memcmp(value, attributes[i].value, (size_t)size) == 0, "%s of %s: %zd bytes, %s",
              attributes[i].name, what, size, size < 0 ? strerror(errno) : "others");
    }
    MUST(fstat(fd, &now));
    CHECK(now.st_mode == before->st_mode && now.st_uid == before->st_uid && now.st_gid == before->st_gid && now.st_nlink == 0,
          "%s has mode %o and owner %d:%d", what, now.st_mode, (int)now.st_uid, (int)now.st_gid);
    CHECK(now.st_mtim.tv_sec == before->st_mtim.tv_sec, "%s was changed at another time", what);
}

static void with_attributes(void)
{
    enum { file, nameless, directory, count };
    static const char *const what[count] = {"the file", "the nameless file", "the directory"};
    int fds[count] = {make(), MUST(open(".", O_TMPFILE | O_RDWR, 0600))};
    struct stat before[count];
    MUST(mkdir("ghost-dir", 0700));
    fds[directory] = MUST(open("ghost-dir", O_RDONLY));
    MUST(rmdir("ghost-dir"));
    CHECK(write(fds[file], "content", 7) == 7 && write(fds[nameless], "content", 7) == 7, "write: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        give_attributes(fds[i], i != directory);
        MUST(fstat(fds[i], &before[i]));
    }
    subject_ready();
    subject_await_check();
    for (int i = 0; i < count; i++) expect_attributes(fds[i], what[i], i != directory, &before[i]);
}

void ghosts(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "big") == 0) return big();
    if (argc == 2 && strcmp(argv[1], "sparse") == 0) return sparse();
    if (argc == 2 && strcmp(argv[1], "attributes") == 0) return with_attributes();
    subject_fail("usage: ghosts big | sparse | attributes");
}
