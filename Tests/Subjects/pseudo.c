#include "subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Files that the kernel makes as they are read and that say the same to whoever opens them: each is read half, and goes on there.
static const char *const paths[] = {
    "/proc/filesystems", "/proc/sys/kernel/ostype", "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu/possible", "/sys/kernel/mm/transparent_hugepage/enabled",
};
enum { count = sizeof paths / sizeof paths[0] };

// Directories of both, which are read half too.
static const char *const of_system[] = {"/proc", "/proc/sys", "/sys/kernel"};
enum { of_system_count = sizeof of_system / sizeof of_system[0], most_entries = 65536 };

// The names in the rest of a directory, from its offset on, each with its zero. Inode numbers of /proc/sys last for a moment.
static ssize_t entries(int fd, char *into)
{
    static char records[4096];
    ssize_t all = 0, length;
    while ((length = MUST(syscall(SYS_getdents64, fd, records, sizeof records))) > 0) {
        for (ssize_t place = 0; place < length;) {
            const struct dirent64 *entry = (const struct dirent64 *)(records + place);
            size_t size = strlen(entry->d_name) + 1;
            CHECK(all + (ssize_t)size <= most_entries, "too many names");
            memcpy(into + all, entry->d_name, size);
            all += (ssize_t)size;
            place += entry->d_reclen;
        }
    }
    return all;
}

void pseudo(int argc, char **argv)
{
    (void)argc, (void)argv;
    char whole[count][4096], rest[4096];
    int fds[count];
    ssize_t lengths[count];
    for (int i = 0; i < count; i++) {
        fds[i] = open(paths[i], O_RDONLY);
        if (fds[i] < 0 && errno == ENOENT) continue;
        CHECK(fds[i] >= 0, "%s: %s", paths[i], strerror(errno));
        lengths[i] = MUST(read(fds[i], whole[i], sizeof whole[i]));
        CHECK(lengths[i] > 2, "%s is empty", paths[i]);
        MUST(lseek(fds[i], 2, SEEK_SET));
    }
    static char before[of_system_count][most_entries], after[most_entries];
    int open_directories[of_system_count];
    ssize_t sizes[of_system_count];
    for (int i = 0; i < of_system_count; i++) {
        int fd = open_directories[i] = MUST(open(of_system[i], O_RDONLY));
        char first[64];
        CHECK(MUST(syscall(SYS_getdents64, fd, first, sizeof first)) > 0, "%s is empty", of_system[i]);
        off_t place = MUST(lseek(fd, 0, SEEK_CUR));
        sizes[i] = entries(fd, before[i]);
        MUST(lseek(fd, place, SEEK_SET));
    }
    subject_ready();
    subject_await_check();
    for (int i = 0; i < count; i++) {
        if (fds[i] < 0) continue;
        CHECK(lseek(fds[i], 0, SEEK_CUR) == 2, "the offset in %s is %ld", paths[i], (long)lseek(fds[i], 0, SEEK_CUR));
        ssize_t length = MUST(read(fds[i], rest, sizeof rest));
        CHECK(length == lengths[i] - 2 && memcmp(rest, whole[i] + 2, (size_t)length) == 0, "the rest of %s is %.*s", paths[i],
              (int)length, rest);
    }
    // Processes come and go, so of /proc itself only that it goes on.
    for (int i = 0; i < of_system_count; i++) {
        ssize_t size = entries(open_directories[i], after);
        CHECK(i == 0 ? size > 0 : size == sizes[i] && memcmp(after, before[i], (size_t)size) == 0, "the rest of %s is another one",
              of_system[i]);
    }
}
