#include "subject.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int to_child[2], to_parent[2];

static void exact_read(int fd, void *bytes, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t length = read(fd, (char *)bytes + got, n - got);
        if (length < 0 && errno == EINTR) continue;
        CHECK(length > 0, "pipe fd %d ended after %zu of %zu bytes: %s", fd, got, n, strerror(errno));
        got += length;
    }
}

// Blocks in read(2) across the dump; echoes what comes.
static void echo(void *argument)
{
    (void)argument;
    close(to_child[1]);
    close(to_parent[0]);
    child_ready();
    char line[6];
    exact_read(to_child[0], line, sizeof line);
    CHECK(write(to_parent[1], line, sizeof line) == sizeof line, "write: %s", strerror(errno));
    CHECK(read(to_child[0], line, 1) == 0, "no end of file after the parent closed its end");
}

void pipes(int argc, char **argv)
{
    (void)argc, (void)argv;
    int unread[2], busy[2], big[2], one_end[2];
    static char bytes[300000], expected[300000];

    MUST(pipe(unread));
    CHECK(write(unread[1], "unread bytes", 12) == 12, "write: %s", strerror(errno));
    MUST(pipe2(busy, O_NONBLOCK | O_CLOEXEC));
    int capacity = MUST(fcntl(busy[1], F_GETPIPE_SZ));
    pattern_fill(bytes, sizeof bytes, 1);
    CHECK(write(busy[1], bytes, capacity) == capacity, "write: %s", strerror(errno));
    MUST(pipe(big));
    MUST(fcntl(big[1], F_SETPIPE_SZ, 1 << 20));
    CHECK(write(big[1], bytes, sizeof bytes) == sizeof bytes, "write: %s", strerror(errno));
    MUST(pipe(one_end));
    CHECK(write(one_end[1], "orphan", 6) == 6, "write: %s", strerror(errno));
    close(one_end[1]);
    MUST(pipe(to_child));
    MUST(pipe(to_parent));
    pid_t child = child_start(echo, NULL);
    close(to_child[0]);
    close(to_parent[1]);

    subject_ready();
    subject_await_check();

    exact_read(unread[0], expected, 12);
    CHECK(memcmp(expected, "unread bytes", 12) == 0, "unread bytes changed");
    CHECK(fcntl(busy[0], F_GETFL) & O_NONBLOCK && fcntl(busy[1], F_GETFL) & O_NONBLOCK, "O_NONBLOCK is gone");
    CHECK(fcntl(busy[0], F_GETFD) == FD_CLOEXEC, "a close-on-exec flag is gone");
    CHECK(write(busy[1], "x", 1) == -1 && errno == EAGAIN, "a full pipe took a byte");
    exact_read(busy[0], expected, capacity);
    CHECK(memcmp(expected, bytes, capacity) == 0, "bytes of a full pipe changed");
    CHECK(read(busy[0], expected, 1) == -1 && errno == EAGAIN, "the pipe holds more than was written");
    CHECK(fcntl(big[0], F_GETPIPE_SZ) == 1 << 20, "the size of a pipe is %d", fcntl(big[0], F_GETPIPE_SZ));
    exact_read(big[0], expected, sizeof expected);
    CHECK(memcmp(expected, bytes, sizeof bytes) == 0, "bytes of a big pipe changed");
    exact_read(one_end[0], expected, 6);
    CHECK(read(one_end[0], expected, 1) == 0, "no end of file on a pipe without a writer");

    CHECK(write(to_child[1], "hello", 6) == 6, "write: %s", strerror(errno));
    exact_read(to_parent[0], expected, 6);
    CHECK(strcmp(expected, "hello") == 0, "the child echoed something else");
    close(to_child[1]);
    child_expect(child, 0);
    CHECK(read(to_parent[0], expected, 1) == 0, "no end of file after the child ended");
}
