// Devices whose own node is gone, or replaced by another of the same number.
#include "subject.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void devices(int argc, char **argv)
{
    (void)argc, (void)argv;
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
