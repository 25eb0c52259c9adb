#include "subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int make(const char *name, int flags)
{
    return MUST(open(name, flags | O_CREAT, 0640));
}

static void put(int fd, const char *text)
{
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write: %s", strerror(errno));
}

static void expect_bytes(int fd, off_t offset, const char *text)
{
    char buffer[64] = "";
    ssize_t length = pread(fd, buffer, strlen(text), offset);
    CHECK(length == (ssize_t)strlen(text) && memcmp(buffer, text, length) == 0, "fd %d at %ld: read \"%s\", not \"%s\"",
          fd, (long)offset, buffer, text);
}

static void expect_offset(int fd, off_t offset)
{
    off_t now = lseek(fd, 0, SEEK_CUR);
    CHECK(now == offset, "fd %d: offset was %ld, is %ld", fd, (long)offset, (long)now);
}

static void expect_device(int fd, unsigned minor)
{
    struct stat status;
    MUST(fstat(fd, &status));
    CHECK(S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, minor), "fd %d is not device 1:%u", fd, minor);
}

void files(int argc, char **argv)
{
    (void)argc, (void)argv;
    int plain_file = make("plain", O_RDWR | O_CLOEXEC);
    put(plain_file, "0123456789");
    MUST(lseek(plain_file, 4, SEEK_SET));
    int appended = make("appended", O_WRONLY | O_APPEND | O_NOATIME);
    put(appended, "first ");
    int reader = MUST(open("plain", O_RDONLY | O_NONBLOCK));
    MUST(lseek(reader, 7, SEEK_SET));
    int twin = MUST(dup(plain_file));
    int far = MUST(fcntl(plain_file, F_DUPFD_CLOEXEC, 700));
    int path_only = MUST(open("plain", O_PATH | O_CLOEXEC));

    MUST(mkdir("directory", 0755));
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "directory/entry-%d", i);
        close(make(name, O_WRONLY));
    }
    int directory = MUST(open("directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    int null = MUST(open("/dev/null", O_RDWR));
    int zero = MUST(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    int full = MUST(open("/dev/full", O_WRONLY));
    int random = MUST(open("/dev/random", O_RDONLY));
    int urandom = MUST(open("/dev/urandom", O_RDONLY));

    int deleted = make("deleted", O_RDWR);
    put(deleted, "gone but open");
    int deleted_reader = MUST(open("deleted", O_RDONLY));
    MUST(lseek(deleted_reader, 5, SEEK_SET));
    MUST(unlink("deleted"));
    int sparse = make("sparse", O_RDWR);
    put(sparse, "head");
    CHECK(pwrite(sparse, "tail", 4, 512 << 10) == 4, "pwrite: %s", strerror(errno));
    MUST(fchmod(sparse, 0604));
    MUST(unlink("sparse"));

    int nameless = MUST(open(".", O_TMPFILE | O_RDWR, 0640));
    put(nameless, "no name yet");

    subject_ready();
    subject_await_check();

    expect_offset(plain_file, 4);
    expect_bytes(plain_file, 0, "0123456789");
    MUST(lseek(twin, 6, SEEK_SET));
    expect_offset(plain_file, 6);
    expect_offset(far, 6);
    expect_offset(reader, 7);
    CHECK((fcntl(reader, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_RDONLY | O_NONBLOCK), "flags of a reader changed");
    CHECK(fcntl(plain_file, F_GETFD) == FD_CLOEXEC && fcntl(twin, F_GETFD) == 0 && fcntl(far, F_GETFD) == FD_CLOEXEC,
          "a close-on-exec flag changed");
    CHECK((fcntl(path_only, F_GETFL) & O_PATH) != 0, "a path-only descriptor became a full one");
    int flags = fcntl(appended, F_GETFL);
    CHECK((flags & (O_ACCMODE | O_APPEND | O_NOATIME)) == (O_WRONLY | O_APPEND | O_NOATIME), "append flags are 0%o", flags);
    put(appended, "second");
    int check = MUST(open("appended", O_RDONLY));
    expect_bytes(check, 0, "first second");

    DIR *stream = fdopendir(directory);
    CHECK(stream, "fdopendir: %s", strerror(errno));
    int entries = 0;
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream)) entries += entry->d_name[0] != '.';
    CHECK(entries == 5, "the directory has %d entries, not 5", entries);

    expect_device(null, 3);
    expect_device(zero, 5);
    expect_device(full, 7);
    expect_device(random, 8);
    expect_device(urandom, 9);
    CHECK(write(full, "x", 1) == -1 && errno == ENOSPC, "/dev/full took a byte");

    expect_bytes(nameless, 0, "no name yet");
    expect_offset(nameless, 11);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", nameless);
    MUST(linkat(AT_FDCWD, link, AT_FDCWD, "named-late", AT_SYMLINK_FOLLOW));
    int named = MUST(open("named-late", O_RDONLY));
    expect_bytes(named, 0, "no name yet");

    struct stat status;
    expect_bytes(deleted, 0, "gone but open");
    expect_offset(deleted, 13);
    expect_offset(deleted_reader, 5);
    MUST(pwrite(deleted, "G", 1, 0));
    expect_bytes(deleted_reader, 0, "Gone but open");
    MUST(fstat(deleted, &status));
    CHECK(status.st_nlink == 0, "the deleted file has a name again");
    CHECK(access("deleted", F_OK) == -1, "the deleted file is in its directory again");
    MUST(fstat(sparse, &status));
    CHECK(status.st_size == (512 << 10) + 4, "the sparse file has %ld bytes", (long)status.st_size);
    CHECK(status.st_blocks <= 64, "the holes of the sparse file were filled: %ld blocks", (long)status.st_blocks);
    CHECK((status.st_mode & 07777) == 0604, "the sparse file has mode 0%o", status.st_mode);
    expect_bytes(sparse, 0, "head");
    expect_bytes(sparse, 512 << 10, "tail");
}
