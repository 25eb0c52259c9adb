#include "subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// What a program has open of one file system: a file that was there and one of its own, mappings of it, the directory, and a
// deleted file. The caller has mounted it and put DIRECTORY/file there.
enum { size = 5000 };

static int open_in(const char *directory, const char *name, int flags)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, flags, 0644);
    CHECK(fd >= 0, "%s: %s", path, strerror(errno));
    return fd;
}

static void expect_bytes(int fd, off_t at, const char *bytes, const char *what)
{
    char found[64];
    ssize_t length = (ssize_t)strlen(bytes);
    CHECK(pread(fd, found, (size_t)length, at) == length && memcmp(found, bytes, (size_t)length) == 0, "%s has other bytes", what);
}

void placed(int argc, char **argv)
{
    CHECK(argc == 2, "usage: placed DIRECTORY");
    const char *directory = argv[1];
    struct stat named, now;
    int file = open_in(directory, "file", O_RDWR), made = open_in(directory, "made", O_RDWR | O_CREAT);
    int gone = open_in(directory, "gone", O_RDWR | O_CREAT), home = MUST(open(directory, O_RDONLY | O_DIRECTORY));
    MUST(lseek(file, 5, SEEK_SET));
    CHECK(write(made, "made", 4) == 4 && write(gone, "deleted", 7) == 7, "write: %s", strerror(errno));
    MUST(unlinkat(home, "gone", 0));
    char *own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(own != MAP_FAILED && shared != MAP_FAILED, "mmap: %s", strerror(errno));
    own[1] = 'o';

    subject_ready();
    subject_await_check();

    CHECK(lseek(file, 0, SEEK_CUR) == 5 && lseek(made, 0, SEEK_CUR) == 4, "an offset changed");
    // Not as before: overlayfs gives its files other numbers at each mount.
    MUST(fstat(file, &now));
    MUST(fstatat(home, "file", &named, 0));
    CHECK(now.st_ino == named.st_ino && now.st_dev == named.st_dev, "the file is not the one of its name");
    CHECK(own[1] == 'o' && own[2] == '2', "the private mapping has other bytes");
    shared[3] = 's';
    expect_bytes(file, 2, "2s4", "the file behind the shared mapping");
    expect_bytes(made, 0, "made", "the new file");
    expect_bytes(gone, 0, "deleted", "the deleted file");
    MUST(fstat(gone, &now));
    CHECK(now.st_nlink == 0, "the deleted file has a name");
    CHECK(faccessat(home, "made", F_OK, 0) == 0 && faccessat(home, "gone", F_OK, 0) != 0, "the directory is another one");
}
