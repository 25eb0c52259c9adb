// Devices whose own node is gone, or replaced by another of the same number; memory devices by their own node.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// Numbers as in mem(4): mem, null, port, zero, full, random, urandom, kmsg for writing. Some kernels have no mem and port.
static void own_nodes(void)
{
    static const struct {
        int minor, flags;
    } kinds[] = {{1, O_RDONLY}, {3, O_RDWR}, {4, O_RDONLY}, {5, O_RDWR}, {7, O_WRONLY}, {8, O_RDONLY}, {9, O_RDWR},
                 {11, O_WRONLY}};
    enum { count = sizeof kinds / sizeof kinds[0] };
    int fds[count];
    off_t offsets[count];
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "device-%d", kinds[i].minor);
        MUST(mknod(name, S_IFCHR | 0600, makedev(1, kinds[i].minor)));
        fds[i] = open(name, kinds[i].flags);
        bool is_optional = kinds[i].minor == 1 || kinds[i].minor == 4;
        CHECK(fds[i] >= 0 || is_optional, "%s: %s", name, strerror(errno));
        if (fds[i] >= 0 && is_optional) MUST(lseek(fds[i], 0x70, SEEK_SET));
        offsets[i] = lseek(fds[i], 0, SEEK_CUR);
    }

    subject_ready();
    subject_await_check();

    for (int i = 0; i < count; i++) {
        struct stat node;
        if (fds[i] < 0) continue;
        MUST(fstat(fds[i], &node));
        CHECK(S_ISCHR(node.st_mode) && node.st_rdev == makedev(1, kinds[i].minor), "device 1:%d is another file",
              kinds[i].minor);
        CHECK((fcntl(fds[i], F_GETFL) & O_ACCMODE) == kinds[i].flags, "device 1:%d has other flags", kinds[i].minor);
        CHECK(lseek(fds[i], 0, SEEK_CUR) == offsets[i], "device 1:%d has another offset", kinds[i].minor);
    }
}

void devices(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "own") == 0) return own_nodes();
    MUST(mknod("gone", S_IFCHR | 0666, makedev(1, 3)));
    int gone = MUST(open("gone", O_WRONLY));
    MUST(unlink("gone"));
    MUST(mknod("again", S_IFCHR | 0666, makedev(1, 5)));
    int again = MUST(open("again", O_RDONLY));
    MUST(unlink("again"));
    MUST(mknod("again", S_IFCHR | 0666, makedev(1, 5)));

    subject_ready();
    subject_await_check();

    struct stat node;
    char bytes[4] = {'x', 'x', 'x', 'x'};
    MUST(fstat(gone, &node));
    CHECK(S_ISCHR(node.st_mode) && node.st_rdev == makedev(1, 3), "the first is no null device");
    CHECK(write(gone, bytes, 4) == 4, "the null device takes nothing: %s", strerror(errno));
    MUST(fstat(again, &node));
    CHECK(S_ISCHR(node.st_mode) && node.st_rdev == makedev(1, 5), "the second is no zero device");
    CHECK(read(again, bytes, 4) == 4 && memcmp(bytes, "\0\0\0", 4) == 0, "the zero device gives other bytes");
}
