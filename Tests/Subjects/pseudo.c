#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// Files that the kernel makes as they are read and that say the same to whoever opens them: each is read half, and goes on there.
static const char *const paths[] = {
    "/proc/filesystems", "/proc/sys/kernel/ostype", "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu/possible", "/sys/kernel/mm/transparent_hugepage/enabled",
};
enum { count = sizeof paths / sizeof paths[0] };

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
    subject_ready();
    subject_await_check();
    for (int i = 0; i < count; i++) {
        if (fds[i] < 0) continue;
        CHECK(lseek(fds[i], 0, SEEK_CUR) == 2, "the offset in %s is %ld", paths[i], (long)lseek(fds[i], 0, SEEK_CUR));
        ssize_t length = MUST(read(fds[i], rest, sizeof rest));
        CHECK(length == lengths[i] - 2 && memcmp(rest, whole[i] + 2, (size_t)length) == 0, "the rest of %s is %.*s", paths[i],
              (int)length, rest);
    }
}
