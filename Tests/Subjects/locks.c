#include "subject.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct flock range(short type, off_t start, off_t length)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static int create(const char *name, int flags) { return MUST(open(name, flags | O_CREAT | O_CLOEXEC, 0600)); }

// What another process is told of the POSIX or open file description locks on a range.
struct answer {
    short type;
    off_t start, length;
    pid_t pid;
};

static struct answer ask(const char *name, short type, off_t start, off_t length)
{
    int ends[2];
    struct answer answer = {0};
    MUST(pipe(ends));
    pid_t child = MUST(fork());
    if (child == 0) {
        int fd = open(name, O_RDWR);
        struct flock lock = range(type, start, length);
        if (fd < 0 || fcntl(fd, F_GETLK, &lock) != 0) _exit(1);
        answer = (struct answer){lock.l_type, lock.l_start, lock.l_len, lock.l_pid};
        _exit(write(ends[1], &answer, sizeof answer) != sizeof answer);
    }
    child_expect(child, 0);
    CHECK(read(ends[0], &answer, sizeof answer) == sizeof answer, "no answer of a child");
    close(ends[0]);
    close(ends[1]);
    return answer;
}

// Whether flock(2) can be had by a new open file; a lock that is had goes with it.
static bool can_flock(const char *name, int operation)
{
    int fd = MUST(open(name, O_RDONLY | O_CLOEXEC));
    bool can = flock(fd, operation | LOCK_NB) == 0;
    CHECK(can || errno == EWOULDBLOCK, "flock: %s", strerror(errno));
    close(fd);
    return can;
}

static int inherited, life[2];

static void locking_child(void *argument)
{
    (void)argument;
    char byte;
    struct flock lock = range(F_WRLCK, 200, 50);
    close(life[1]);
    MUST(fcntl(inherited, F_SETLK, &lock));
    child_ready();
    while (read(life[0], &byte, 1) > 0) continue;
    // Its own lock is no obstacle to itself.
    MUST(fcntl(inherited, F_SETLK, &lock));
}

static void locks_check(pid_t child)
{
    struct answer answer = ask("locks.posix", F_WRLCK, 0, 50);
    CHECK(answer.type == F_WRLCK && answer.start == 5 && answer.length == 10 && answer.pid == getpid(),
          "POSIX write lock: type %d, %ld+%ld of %d", answer.type, answer.start, answer.length, answer.pid);
    answer = ask("locks.posix", F_RDLCK, 300, 0);
    CHECK(answer.type == F_UNLCK, "POSIX read lock became one for writing");
    answer = ask("locks.posix", F_WRLCK, 300, 0);
    CHECK(answer.type == F_RDLCK && answer.start == 300 && answer.length == 0 && answer.pid == getpid(),
          "POSIX read lock to the end: type %d, %ld+%ld of %d", answer.type, answer.start, answer.length,
          answer.pid);
    if (child) {
        answer = ask("locks.posix", F_WRLCK, 190, 70);
        CHECK(answer.type == F_WRLCK && answer.start == 200 && answer.pid == child,
              "lock of the child: type %d of %d", answer.type, answer.pid);
    }
    answer = ask("locks.open", F_RDLCK, 0, 0);
    CHECK(answer.type == F_WRLCK && answer.start == 7 && answer.length == 3 && answer.pid == -1,
          "open file description lock: type %d of %d", answer.type, answer.pid);
    CHECK(!can_flock("locks.exclusive", LOCK_SH), "an exclusive flock is gone");
    CHECK(can_flock("locks.directory", LOCK_SH) && !can_flock("locks.directory", LOCK_EX),
          "a shared flock of a directory is gone or exclusive");
    // A lock that is given back really goes.
    CHECK(flock(inherited, LOCK_UN) == 0 && can_flock("locks.exclusive", LOCK_EX), "a flock does not end");
}

static volatile sig_atomic_t broken;
static void on_break(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    broken = info->si_fd;
}

static void leases_set(int fds[2])
{
    fds[0] = MUST(open("locks.read", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
    fds[1] = create("locks.write", O_RDWR);
    struct sigaction action = {.sa_sigaction = on_break, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGUSR1, &action, NULL));
    MUST(fcntl(fds[0], F_SETLEASE, F_RDLCK));
    MUST(fcntl(fds[1], F_SETSIG, SIGUSR1));
    MUST(fcntl(fds[1], F_SETLEASE, F_WRLCK));
}

static void leases_check(const int fds[2])
{
    CHECK(fcntl(fds[0], F_GETLEASE) == F_RDLCK, "the read lease is %d", fcntl(fds[0], F_GETLEASE));
    CHECK(fcntl(fds[1], F_GETLEASE) == F_WRLCK, "the write lease is %d", fcntl(fds[1], F_GETLEASE));
    CHECK(!broken, "a lease was broken while the tree was away");
    pid_t child = MUST(fork());
    if (child == 0) _exit(open("locks.write", O_RDONLY | O_NONBLOCK) != -1 || errno != EWOULDBLOCK);
    child_expect(child, 0);
    CHECK(broken == fds[1], "the break of a lease was told for fd %d, not %d", (int)broken, fds[1]);
    MUST(fcntl(fds[1], F_SETLEASE, F_UNLCK));
}

// `locks leases` has leases and no locks; `locks shared` a child with a lock of its own on an open file of its parent.
void locks(int argc, char **argv)
{
    int leases[2];
    if (argc > 1 && strcmp(argv[1], "leases") == 0) {
        leases_set(leases);
        subject_ready();
        subject_await_check();
        leases_check(leases);
        return;
    }
    int posix = create("locks.posix", O_RDWR), open_file = create("locks.open", O_RDWR);
    MUST(mkdir("locks.directory", 0700));
    int directory = MUST(open("locks.directory", O_RDONLY | O_CLOEXEC));
    int exclusive = create("locks.exclusive", O_RDWR);
    struct flock lock = range(F_WRLCK, 5, 10), to_end = range(F_RDLCK, 300, 0), owned = range(F_WRLCK, 7, 3);
    MUST(fcntl(posix, F_SETLK, &lock));
    MUST(fcntl(posix, F_SETLK, &to_end));
    MUST(fcntl(open_file, F_OFD_SETLK, &owned));
    MUST(flock(directory, LOCK_SH));
    MUST(flock(exclusive, LOCK_EX));
    inherited = posix;
    MUST(pipe2(life, O_CLOEXEC));
    pid_t child = argc > 1 && strcmp(argv[1], "shared") == 0 ? child_start(locking_child, NULL) : 0;
    inherited = exclusive;

    subject_ready();
    subject_await_check();

    locks_check(child);
    close(life[1]);
    if (child) child_expect(child, 0);
}
