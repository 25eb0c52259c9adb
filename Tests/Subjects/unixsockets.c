#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void exact_read(int fd, void *bytes, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t length = read(fd, (char *)bytes + got, n - got);
        if (length < 0 && errno == EINTR) continue;
        CHECK(length > 0, "socket fd %d ended after %zu of %zu bytes: %s", fd, got, n, strerror(errno));
        got += length;
    }
}

static void expect_peer(int fd, pid_t pid)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length));
    CHECK(peer.pid == pid && peer.uid == geteuid() && peer.gid == getegid(), "fd %d: the peer is %d, uid %u, gid %u", fd,
          peer.pid, peer.uid, peer.gid);
}

// Both ends of pairs, one of them at a high number above the soft limit of descriptors, one echoed by a child that gave up root.
static int pair[2];

static void echo(void *argument)
{
    (void)argument;
    close(pair[0]);
    MUST(setgid(65534));
    MUST(setuid(65534));
    child_ready();
    char line[6];
    exact_read(pair[1], line, sizeof line);
    CHECK(write(pair[1], line, sizeof line) == sizeof line, "write: %s", strerror(errno));
    CHECK(read(pair[1], line, 1) == 0, "no end of file after the parent closed its end");
}

static void pair_kind(void)
{
    int own[2];
    char line[6];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, own));
    int high = MUST(fcntl(own[1], F_DUPFD, 300));
    close(own[1]);
    pid_t child = child_start(echo, NULL);
    close(pair[1]);
    struct rlimit limit = {100, 200};
    MUST(setrlimit(RLIMIT_NOFILE, &limit));

    subject_ready();
    subject_await_check();

    expect_peer(pair[0], getpid());
    expect_peer(own[0], getpid());
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    CHECK(limit.rlim_cur == 100 && limit.rlim_max == 200, "the limit of descriptors is %lu, %lu", limit.rlim_cur, limit.rlim_max);
    CHECK(write(own[0], "first", 6) == 6, "write: %s", strerror(errno));
    exact_read(high, line, 6);
    CHECK(strcmp(line, "first") == 0, "the pair carried something else");
    CHECK(fcntl(own[0], F_GETFD) == FD_CLOEXEC && fcntl(high, F_GETFD) == 0, "close-on-exec flags changed");
    CHECK(write(pair[0], "hello", 6) == 6, "write: %s", strerror(errno));
    exact_read(pair[0], line, 6);
    CHECK(strcmp(line, "hello") == 0, "the child echoed something else");
    close(pair[0]);
    child_expect(child, 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"pair", pair_kind},
};

void unixsockets(int argc, char **argv)
{
    CHECK(argc == 2, "unix needs one KIND");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, argv[1]) == 0) return kinds[i].run();
    }
    subject_fail("no kind %s", argv[1]);
}
