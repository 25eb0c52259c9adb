#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

// Named pipes: unread bytes, open at one end or both, one description in two processes. `deleted`: without their names.
static int both, shared;

static void expect_bytes(int fd, const char *wanted)
{
    char found[64] = "";
    ssize_t length = read(fd, found, sizeof found - 1);
    CHECK(length == (ssize_t)strlen(wanted) && strcmp(found, wanted) == 0, "read %zd bytes \"%s\" and not \"%s\"",
          length, found, wanted);
}

static void reader(void *argument)
{
    (void)argument;
    child_ready();
    char word[6];
    CHECK(read(shared, word, 6) == 6 && memcmp(word, "go on", 6) == 0, "the child read something else");
}

void fifos(int argc, char **argv)
{
    bool deleted = argc == 2 && strcmp(argv[1], "deleted") == 0;
    static char bytes[70000], found[70000];
    MUST(mkfifo("both", 0600));
    MUST(mkfifo("apart", 0640));
    MUST(mkfifo("full", 0600));
    MUST(mkfifo("shared", 0600));
    both = MUST(open("both", O_RDWR));
    CHECK(write(both, "unread", 6) == 6, "write: %s", strerror(errno));
    int out = MUST(open("apart", O_RDONLY | O_NONBLOCK));
    int in = MUST(open("apart", O_WRONLY | O_APPEND | O_CLOEXEC));
    CHECK(write(in, "in between", 10) == 10, "write: %s", strerror(errno));
    int full = MUST(open("full", O_RDWR | O_NONBLOCK));
    int size = MUST(fcntl(full, F_SETPIPE_SZ, 1 << 16));
    pattern_fill(bytes, sizeof bytes, 3);
    CHECK(write(full, bytes, sizeof bytes) == size, "the pipe took something else than %d bytes", size);
    int rest = MUST(open("full", O_WRONLY | O_NONBLOCK));
    shared = MUST(open("shared", O_RDWR));
    pid_t child = child_start(reader, NULL);
    // criu writes one with a name as if it were open; `pathonly` has such a one.
    int name = deleted ? MUST(open("apart", O_PATH)) : -1;
    const char *const names[] = {"both", "apart", "full", "shared"};
    for (int i = 0; deleted && i < 4; i++) MUST(unlink(names[i]));

    subject_ready();
    subject_await_check();

    expect_bytes(both, "unread");
    struct pollfd nothing = {.fd = both, .events = POLLIN};
    CHECK(poll(&nothing, 1, 0) == 0, "the pipe holds more than was written");
    expect_bytes(out, "in between");
    CHECK(fcntl(out, F_GETFL) & O_NONBLOCK && fcntl(in, F_GETFL) & O_APPEND, "flags are gone");
    CHECK(fcntl(in, F_GETFD) == FD_CLOEXEC, "the close-on-exec flag is gone");
    CHECK(write(rest, "x", 1) == -1 && errno == EAGAIN, "a full pipe took a byte");
    CHECK(read(full, found, sizeof found) == size && memcmp(found, bytes, size) == 0, "bytes of a full pipe changed");
    struct stat status;
    MUST(fstat(out, &status));
    CHECK(S_ISFIFO(status.st_mode) && (status.st_mode & 0777) == 0640, "mode is %o", status.st_mode);
    CHECK(status.st_nlink == !deleted && access("apart", F_OK) == (deleted ? -1 : 0), "it has %d names", (int)status.st_nlink);
    struct stat named;
    if (deleted) MUST(fstat(name, &named));
    CHECK(!deleted || named.st_ino == status.st_ino, "its name is of another one");
    CHECK(write(in, "more", 4) == 4, "write: %s", strerror(errno));
    expect_bytes(out, "more");
    CHECK(write(shared, "go on", 6) == 6, "write: %s", strerror(errno));
    child_expect(child, 0);
    close(in);
    CHECK(read(out, found, 1) == 0, "no end of file after the last writer went");
}
