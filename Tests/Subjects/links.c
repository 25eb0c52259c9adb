// A file that has lost the name it was opened by and has another: open twice, mapped, written to.
#include "subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Names in the working directory that a dump made.
static int helper_names(void)
{
    int count = 0;
    DIR *directory = opendir(".");
    CHECK(directory, "opendir: %s", strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory));) count += strncmp(entry->d_name, "link_remap.", 11) == 0;
    closedir(directory);
    return count;
}

// "kept": a helper name is to be there in the end.
void links(int argc, char **argv)
{
    int kept = argc == 2 && strcmp(argv[1], "kept") == 0;
    char text[256], path[64];
    int fd = MUST(open("held", O_RDWR | O_CREAT | O_EXCL, 0640));
    CHECK(write(fd, "0123456789", 10) == 10, "write: %s", strerror(errno));
    MUST(ftruncate(fd, 8192));
    MUST(lseek(fd, 4, SEEK_SET));
    MUST(link("held", "other"));
    int again = MUST(open("held", O_RDONLY | O_APPEND));
    char *area = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(area != MAP_FAILED, "mmap: %s", strerror(errno));
    MUST(unlink("held"));
    // A second one whose name is somebody else's by now.
    int replaced = MUST(open("name", O_RDWR | O_CREAT | O_EXCL, 0600));
    CHECK(write(replaced, "old", 3) == 3, "write: %s", strerror(errno));
    MUST(link("name", "aside"));
    MUST(unlink("name"));
    MUST(close(MUST(open("name", O_RDWR | O_CREAT | O_EXCL, 0600))));

    subject_ready();
    subject_await_check();

    struct stat now, other;
    MUST(fstat(fd, &now));
    MUST(stat("other", &other));
    CHECK(now.st_ino == other.st_ino && now.st_dev == other.st_dev, "it is another file than \"other\"");
    int names = helper_names();
    CHECK(names == (kept ? 2 : 0), "%d helper names are there", names);
    CHECK((int)now.st_nlink == (kept ? 2 : 1), "it has %d names", (int)now.st_nlink);
    CHECK(access("held", F_OK) < 0 && errno == ENOENT, "the lost name is there again");
    CHECK(lseek(fd, 0, SEEK_CUR) == 4, "offset is %lld", (long long)lseek(fd, 0, SEEK_CUR));
    CHECK(read(fd, text, 6) == 6 && memcmp(text, "456789", 6) == 0, "other bytes");
    memcpy(area, "abcd", 4);
    CHECK(pread(again, text, 4, 0) == 4 && memcmp(text, "abcd", 4) == 0, "the second opening or the mapping is another file");
    MUST(fstat(replaced, &now));
    MUST(stat("aside", &other));
    CHECK(now.st_ino == other.st_ino, "the replaced file is another than \"aside\"");
    MUST(stat("name", &other));
    CHECK(now.st_ino != other.st_ino && other.st_size == 0, "the new file of the name was touched");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, text, sizeof text);
    CHECK(length > 15 && memcmp(text + length - 15, "/held (deleted)", 15) == 0, "/proc says %.*s", (int)length, text);
}
