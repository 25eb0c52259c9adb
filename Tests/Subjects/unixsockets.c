#include "subject.h"
#include "unixsockets.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

bool only_common;

void exact_read(int fd, void *bytes, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t length = read(fd, (char *)bytes + got, n - got);
        if (length < 0 && errno == EINTR) continue;
        CHECK(length > 0, "socket fd %d ended after %zu of %zu bytes: %s", fd, got, n, strerror(errno));
        got += length;
    }
}

void expect_peer(int fd, pid_t pid)
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
    if (!only_common) {
        MUST(setgid(65534));
        MUST(setuid(65534));
    }
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
    if (!only_common) MUST(setrlimit(RLIMIT_NOFILE, &limit));

    subject_ready();
    subject_await_check();

    if (!only_common) {
        expect_peer(pair[0], getpid());
        expect_peer(own[0], getpid());
    }
    if (!only_common) MUST(getrlimit(RLIMIT_NOFILE, &limit));
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

// Sends bytes and descriptors in one message.
void send_rights(int fd, const char *bytes, size_t n, const int *rights, int count)
{
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec part = {(void *)bytes, n};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
    memcpy(CMSG_DATA(head), rights, count * sizeof(int));
    CHECK(MUST(sendmsg(fd, &message, 0)) == (ssize_t)n, "a message was cut");
}

// Receives one message; answers with how many descriptors came.
int receive_rights(int fd, char *bytes, size_t n, ssize_t *length, int *rights)
{
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec part = {bytes, n};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *length = MUST(recvmsg(fd, &message, MSG_DONTWAIT));
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head == NULL || head->cmsg_type != SCM_RIGHTS) return 0;
    int count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(rights, CMSG_DATA(head), count * sizeof(int));
    return count;
}

static void expect_error(int fd, int wanted)
{
    int error;
    socklen_t length = sizeof error;
    MUST(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
    CHECK(error == wanted, "fd %d: the error that waits is %d, not %d", fd, error, wanted);
}

static int option(int fd, int name)
{
    int value;
    socklen_t length = sizeof value;
    MUST(getsockopt(fd, SOL_SOCKET, name, &value, &length));
    return value;
}

// Unread bytes, ended directions, closed ends, descriptors under way.
static void stream_kind(void)
{
    static char sent[400000], got[400000];
    int full[2], half[2], gone[2], reset[2], rights[2], empty[2], nested[2], ends[2];
    pattern_fill(sent, sizeof sent, 7);
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, full));
    ssize_t taken = 0;
    for (ssize_t n; (n = write(full[0], sent + taken, sizeof sent - taken)) > 0;) taken += n;
    CHECK(taken > 100000, "the socket took %zd bytes", taken);
    CHECK(MUST(write(full[1], "back", 4)) == 4, "a write was cut");
    CHECK(recv(full[1], got, 100, MSG_PEEK) == 100, "peek");

    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, half));
    CHECK(MUST(write(half[0], "last words", 10)) == 10, "a write was cut");
    MUST(shutdown(half[0], SHUT_WR));

    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, gone));
    CHECK(MUST(write(gone[0], "left", 4)) == 4, "a write was cut");
    close(gone[0]);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, empty));
    close(empty[0]);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, reset));
    CHECK(MUST(write(reset[0], "mine", 4)) == 4, "a write was cut");
    if (!only_common) CHECK(MUST(write(reset[1], "never read", 10)) == 10, "a write was cut");
    close(reset[0]);

    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, rights));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, nested));
    MUST(pipe(ends));
    int file = MUST(open("passed", O_RDWR | O_CREAT, 0600));
    CHECK(MUST(write(file, "0123456789", 10)) == 10, "a write was cut");
    MUST(lseek(file, 4, SEEK_SET));
    CHECK(MUST(write(ends[1], "in a pipe", 9)) == 9, "a write was cut");
    CHECK(MUST(write(nested[0], "nested", 6)) == 6, "a write was cut");
    CHECK(MUST(write(rights[0], "before ", 7)) == 7, "a write was cut");
    // The file is held by us as well; the read end of the pipe and the end of the other pair by the message alone.
    if (!only_common) send_rights(rights[0], "with", 4, (int[]){file, ends[0], nested[1]}, 3);
    CHECK(MUST(write(rights[0], " after", 6)) == 6, "a write was cut");
    if (!only_common) close(ends[0]);
    if (!only_common) close(nested[1]);

    struct timeval patience = {3, 250000};
    MUST(setsockopt(half[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    struct timeval rounded;
    socklen_t length = sizeof rounded;
    MUST(getsockopt(half[1], SOL_SOCKET, SO_RCVTIMEO, &rounded, &length));
    MUST(setsockopt(half[1], SOL_SOCKET, SO_SNDBUF, &(int){30000}, sizeof(int)));
    if (!only_common) MUST(setsockopt(half[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)));
    MUST(setsockopt(half[1], SOL_SOCKET, SO_RCVLOWAT, &(int){3}, sizeof(int)));
    if (!only_common) MUST(setsockopt(half[1], SOL_SOCKET, SO_PEEK_OFF, &(int){5}, sizeof(int)));
    MUST(setsockopt(half[0], SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int)));
    struct sock_filter accept_all = {0x06, 0, 0, 0xffffffff};
    struct sock_fprog filter = {1, &accept_all};
    MUST(setsockopt(half[0], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
    int buffer = option(half[1], SO_SNDBUF), room = option(full[0], SO_SNDBUF);

    subject_ready();
    subject_await_check();

    CHECK(write(full[0], "x", 1) == -1 && errno == EAGAIN, "a full socket took a byte");
    exact_read(full[1], got, taken);
    CHECK(memcmp(got, sent, taken) == 0, "unread bytes changed");
    CHECK(read(full[1], got, 1) == -1 && errno == EAGAIN, "the socket holds more than was written, or does not keep O_NONBLOCK");
    exact_read(full[0], got, 4);
    CHECK(memcmp(got, "back", 4) == 0, "unread bytes changed");
    CHECK(option(full[0], SO_SNDBUF) == room, "SO_SNDBUF is %d, was %d", option(full[0], SO_SNDBUF), room);

    length = sizeof patience;
    MUST(getsockopt(half[1], SOL_SOCKET, SO_RCVTIMEO, &patience, &length));
    CHECK(memcmp(&patience, &rounded, sizeof rounded) == 0, "SO_RCVTIMEO is %ld.%06ld", patience.tv_sec, patience.tv_usec);
    CHECK(option(half[1], SO_SNDBUF) == buffer, "SO_SNDBUF is %d, was %d", option(half[1], SO_SNDBUF), buffer);
    CHECK(option(half[1], SO_PASSCRED) == !only_common && option(half[1], SO_RCVLOWAT) == 3 && option(half[0], SO_BROADCAST), "options changed");
    if (!only_common) {
        CHECK(option(half[1], SO_PEEK_OFF) == 5, "SO_PEEK_OFF is %d", option(half[1], SO_PEEK_OFF));
        CHECK(recv(half[1], got, 5, MSG_PEEK) == 5 && memcmp(got, "words", 5) == 0, "the peek offset changed");
    }
    length = 0;
    MUST(getsockopt(half[0], SOL_SOCKET, SO_GET_FILTER, NULL, &length));
    CHECK(length == 1, "the filter has %u instructions", length);
    exact_read(half[1], got, 10);
    CHECK(memcmp(got, "last words", 10) == 0 && read(half[1], got, 1) == 0, "a half-closed socket changed");
    CHECK(write(half[1], "still", 5) == 5, "the open direction is closed: %s", strerror(errno));
    exact_read(half[0], got, 5);
    CHECK(send(half[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "the closed direction is open");

    expect_error(gone[1], 0);
    exact_read(gone[1], got, 4);
    CHECK(memcmp(got, "left", 4) == 0 && read(gone[1], got, 1) == 0, "a socket with a closed peer changed");
    CHECK(read(empty[1], got, 1) == 0 && send(empty[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "a closed peer is open");
    exact_read(reset[1], got, 4);
    if (only_common) return;
    CHECK(read(reset[1], got, 1) == -1 && errno == ECONNRESET, "the reset of a connection is gone: %s", strerror(errno));

    int passed[4];
    ssize_t n;
    CHECK(receive_rights(rights[1], got, 100, &n, passed) == 3 && n == 11 && memcmp(got, "before with", 11) == 0,
          "a message with descriptors changed");
    CHECK(lseek(passed[0], 0, SEEK_CUR) == 4, "the passed file is at %ld", (long)lseek(passed[0], 0, SEEK_CUR));
    MUST(lseek(file, 9, SEEK_SET));
    CHECK(lseek(passed[0], 0, SEEK_CUR) == 9, "the passed file is no longer the one that was passed");
    exact_read(passed[1], got, 9);
    CHECK(memcmp(got, "in a pipe", 9) == 0, "bytes of a passed pipe changed");
    close(ends[1]);
    CHECK(read(passed[1], got, 1) == 0, "a passed pipe has another writer");
    exact_read(passed[2], got, 6);
    CHECK(memcmp(got, "nested", 6) == 0, "bytes of a passed socket changed");
    close(nested[0]);
    CHECK(read(passed[2], got, 1) == 0, "a passed socket has another peer");
    CHECK(receive_rights(rights[1], got, 100, &n, passed) == 0 && n == 6 && memcmp(got, " after", 6) == 0, "bytes after descriptors changed");
}

// Empty packets with credentials up to the end.
static int empty_packets(int fd)
{
    for (int count = 0;; count++) {
        char byte, control[CMSG_SPACE(sizeof(struct ucred))];
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        CHECK(MUST(recvmsg(fd, &message, MSG_DONTWAIT)) == 0, "there are more packets");
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        if (head == NULL) return count;
        struct ucred own = {getpid(), geteuid(), getegid()};
        CHECK(head->cmsg_type == SCM_CREDENTIALS && memcmp(CMSG_DATA(head), &own, sizeof own) == 0, "credentials changed");
    }
}

// Packets keep their bounds, empty ones too.
static void seqpacket_kind(void)
{
    int ends[2], gone[2], rights[4];
    char got[100];
    ssize_t n;
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
    CHECK(MUST(send(ends[0], "one", 3, 0)) == 3 && MUST(send(ends[0], "", only_common, 0)) == only_common, "send");
    if (!only_common) send_rights(ends[0], "four", 4, (int[]){ends[0]}, 1);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, gone));
    // Credentials tell an empty packet from the end.
    if (!only_common) MUST(setsockopt(gone[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)));
    CHECK(MUST(send(gone[0], "first", 5, 0)) == 5 && MUST(send(gone[0], "second", 6, 0)) == 6, "send");
    if (!only_common) CHECK(MUST(send(gone[0], "", 0, 0)) == 0 && MUST(send(gone[0], "", 0, 0)) == 0, "send");
    close(gone[0]);
    int nothing[2];
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, nothing));
    if (!only_common) MUST(setsockopt(nothing[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)));
    if (!only_common) CHECK(MUST(send(nothing[0], "", 0, 0)) == 0, "send");
    close(nothing[0]);

    subject_ready();
    subject_await_check();

    CHECK(receive_rights(ends[1], got, 100, &n, rights) == 0 && n == 3 && memcmp(got, "one", 3) == 0, "the first packet changed");
    CHECK(receive_rights(ends[1], got, 100, &n, rights) == 0 && n == only_common, "the empty packet changed");
    if (only_common) rights[0] = ends[0];
    else CHECK(receive_rights(ends[1], got, 100, &n, rights) == 1 && n == 4 && memcmp(got, "four", 4) == 0, "the last packet changed");
    CHECK(MUST(send(rights[0], "to me", 5, 0)) == 5 && MUST(recv(ends[1], got, 100, 0)) == 5, "a socket passed through itself changed");
    CHECK(recv(ends[1], got, 100, MSG_DONTWAIT) == -1 && errno == EAGAIN, "there are more packets");
    CHECK(MUST(recv(gone[1], got, 100, 0)) == 5 && MUST(recv(gone[1], got, 100, 0)) == 6, "packets of a closed peer changed");
    CHECK(empty_packets(gone[1]) == (only_common ? 0 : 2), "empty packets before the end of a closed peer changed");
    CHECK(empty_packets(nothing[1]) == !only_common, "the only packet of a closed peer changed");
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"pair", pair_kind}, {"stream", stream_kind}, {"seqpacket", seqpacket_kind},
    {"listen", unix_listen}, {"dgram", unix_dgram}, {"passed", unix_passed},
};

void unixsockets(int argc, char **argv)
{
    CHECK(argc >= 2, "unix needs a KIND");
    only_common = argc > 2 && strcmp(argv[2], "common") == 0;
    if (strncmp(argv[1], "outside-", 8) == 0) return unix_outside(argv[1]);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, argv[1]) == 0) return kinds[i].run();
    }
    subject_fail("no kind %s", argv[1]);
}
