#include "subject.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int shared_file, parent_only;

static void expect_offset(int fd, off_t offset)
{
    off_t now = lseek(fd, 0, SEEK_CUR);
    CHECK(now == offset, "fd %d: offset was %ld, is %ld", fd, (long)offset, (long)now);
}

// Holds the description that it inherited under another number, next to one of its own on the same file.
static void grandchild(void *argument)
{
    (void)argument;
    int moved = MUST(dup2(shared_file, 50));
    MUST(close(shared_file));
    MUST(close(parent_only));
    int own = MUST(open("shared", O_RDWR));
    MUST(lseek(own, 1, SEEK_SET));
    child_ready();
    subject_await_check();
    expect_offset(own, 1);
    CHECK(fcntl(shared_file, F_GETFD) == FD_CLOEXEC || fcntl(shared_file, F_GETFD) == -1 || own == shared_file,
          "a closed descriptor is open again");
    MUST(lseek(moved, 3, SEEK_CUR));
}

static void child(void *argument)
{
    (void)argument;
    pid_t youngest = child_start(grandchild, NULL);
    child_ready();
    subject_await_check();
    child_expect(youngest, 0);
    expect_offset(shared_file, 13);
    MUST(lseek(shared_file, 5, SEEK_CUR));
    CHECK(write(parent_only, "child", 5) == 5, "write: %s", strerror(errno));
}

void fdshare(int argc, char **argv)
{
    (void)argc, (void)argv;
    shared_file = MUST(open("shared", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    parent_only = MUST(open("appended", O_WRONLY | O_CREAT | O_APPEND, 0644));
    CHECK(write(shared_file, "twenty bytes of text", 20) == 20, "write: %s", strerror(errno));
    MUST(lseek(shared_file, 10, SEEK_SET));
    int stranger = MUST(open("shared", O_RDONLY));
    MUST(lseek(stranger, 2, SEEK_SET));
    pid_t middle = child_start(child, NULL);
    subject_ready();
    subject_await_check();
    child_expect(middle, 0);
    expect_offset(shared_file, 18);
    expect_offset(stranger, 2);
    expect_offset(parent_only, 5);
}
