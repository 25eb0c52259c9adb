// One descriptor whose other end a process outside the tree holds.
#include "subject.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

// Reads to the end in a process that leaves the tree: a double fork into a session of its own, whose parent is gone.
static void read_outside(int fd, int close_there)
{
    pid_t between = MUST(fork());
    if (between == 0) {
        setsid();
        if (fork() == 0) {
            char byte;
            close(close_there);
            while (read(fd, &byte, 1) > 0) continue;
        }
        _exit(0);
    }
    child_expect(between, 0);
    close(fd);
}

static int out_to_pipe(int number)
{
    int ends[2];
    MUST(pipe(ends));
    read_outside(ends[0], ends[1]);
    if (number < 0) return ends[1];
    MUST(dup2(ends[1], number));
    close(ends[1]);
    return number;
}

static int out_to_fifo(void)
{
    MUST(mkfifo("fifo", 0600));
    int in = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
    int out = MUST(open("fifo", O_WRONLY));
    MUST(fcntl(in, F_SETFL, 0));
    read_outside(in, out);
    return out;
}

// What is written goes to the same reader as before, or where the policy lets it lead: to /dev/null.
void outside(int argc, char **argv)
{
    int fd = -1;
    struct stat before, now;
    if (argc == 2 && strcmp(argv[1], "pipe") == 0) fd = out_to_pipe(-1);
    if (argc == 2 && strcmp(argv[1], "stdout") == 0) fd = out_to_pipe(1);
    if (argc == 2 && strcmp(argv[1], "fifo") == 0) fd = out_to_fifo();
    CHECK(fd >= 0, "usage: outside pipe | stdout | fifo");
    MUST(fstat(fd, &before));
    signal(SIGPIPE, SIG_IGN);
    subject_ready();
    subject_await_check();
    MUST(fstat(fd, &now));
    bool is_null = S_ISCHR(now.st_mode) && now.st_rdev == makedev(1, 3);
    CHECK(is_null || (now.st_ino == before.st_ino && now.st_dev == before.st_dev), "it leads elsewhere");
    CHECK(write(fd, "x", 1) == 1, "write: %s", strerror(errno));
}
