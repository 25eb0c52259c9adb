#include "subject.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// One connection of TCP in a state of its own, both ends in the tree. After the restore each end must have what was
// under way, in order, and the connection must go on to its end.

enum { much = 1 << 20, most = 8 << 20 };
static char *bytes, *seen;

static void set(int fd, int level, int name, int value) { MUST(setsockopt(fd, level, name, &value, sizeof value)); }

static int state_of(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    MUST(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length));
    return info.tcpi_state;
}

// What an end agreed on with its peer: options, scales and segments, and the clock of its timestamps.
struct agreement {
    int options, scales, clock;
    unsigned segment, offered;
};

static struct agreement agreed(int fd)
{
    struct tcp_info info;
    struct agreement found = {0};
    socklen_t length = sizeof info;
    MUST(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length));
    found.options = info.tcpi_options;
    found.scales = info.tcpi_snd_wscale << 4 | info.tcpi_rcv_wscale;
    found.segment = info.tcpi_snd_mss;
    // tcpi_rcv_wnd of linux/tcp.h, since Linux 6.2.
    unsigned char words[236];
    length = sizeof words;
    MUST(getsockopt(fd, IPPROTO_TCP, TCP_INFO, words, &length));
    if (length == sizeof words) memcpy(&found.offered, words + 232, sizeof found.offered);
    length = sizeof found.clock;
    MUST(getsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &found.clock, &length));
    return found;
}

static void expect_agreement(int fd, struct agreement before)
{
    struct agreement now = agreed(fd);
    CHECK(now.options == before.options && now.scales == before.scales,
          "fd %d: options %x and scales %x, not %x and %x", fd, now.options, now.scales, before.options, before.scales);
    // The peer may offer a little more than it had, and segments are as large as half of that.
    CHECK(now.segment >= before.segment, "fd %d: segments of %u bytes, not %u", fd, now.segment, before.segment);
    CHECK(now.offered >= before.offered, "fd %d: offers %u bytes and had offered %u", fd, now.offered, before.offered);
    // Milliseconds, from a start that each connection has for itself.
    unsigned passed = (unsigned)now.clock - (unsigned)before.clock;
    CHECK(passed < 600000, "fd %d: its timestamps jumped by %u", fd, passed);
}

static void await_state(int fd, int state)
{
    int64_t deadline = monotonic_ns() + 5000000000;
    while (state_of(fd) != state) {
        CHECK(monotonic_ns() < deadline, "fd %d is in state %d, not %d", fd, state_of(fd), state);
        pause_ns(1000000);
    }
}

static void put(int fd, const char *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t length = write(fd, from + done, n - done);
        CHECK(length > 0, "writing to fd %d after %zu bytes: %s", fd, done, strerror(errno));
        done += length;
    }
}

// Reads n bytes, which must be those of `bytes` from an offset on.
static void expect(int fd, size_t offset, size_t n)
{
    for (size_t done = 0; done < n;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        CHECK(poll(&wait, 1, 8000) == 1, "fd %d: nothing comes after %zu of %zu bytes", fd, done, n);
        ssize_t length = read(fd, seen, n - done < much ? n - done : much);
        CHECK(length > 0, "fd %d ended after %zu of %zu bytes: %s", fd, done, n, strerror(errno));
        CHECK(memcmp(seen, bytes + offset + done, length) == 0, "fd %d: wrong bytes after %zu", fd, done);
        done += length;
    }
}

static void expect_end(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    // What was lost is sent again after ever longer times.
    CHECK(poll(&wait, 1, 40000) == 1, "fd %d: the peer's end does not come", fd);
    CHECK(read(fd, seen, 1) == 0, "fd %d has no end: %s", fd, strerror(errno));
}

// Nothing that the peer sends is seen any more.
static void turn_deaf(int fd)
{
    struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, 0}};
    struct sock_fprog program = {1, code};
    MUST(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

static void make(const char *kind, int ends[2], int *listener)
{
    bool six = strstr(kind, "six") != NULL, mapped = strstr(kind, "mapped") != NULL;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *name = six ? (struct sockaddr *)&address : (struct sockaddr *)&four;
    socklen_t length = six ? sizeof address : sizeof four;
    int server;
    if (mapped) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6};
        server = MUST(socket(AF_INET6, SOCK_STREAM, 0));
        MUST(bind(server, (struct sockaddr *)&any, sizeof any));
        socklen_t size = sizeof any;
        MUST(getsockname(server, (struct sockaddr *)&any, &size));
        four.sin_port = any.sin6_port;
    } else {
        server = MUST(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
        MUST(bind(server, name, length));
        MUST(getsockname(server, name, &length));
    }
    MUST(listen(server, 5));
    ends[0] = MUST(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
    if (strstr(kind, "device")) MUST(setsockopt(ends[0], SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    if (strstr(kind, "small")) set(ends[0], SOL_SOCKET, SO_RCVBUF, 8192);
    MUST(connect(ends[0], name, length));
    ends[1] = MUST(accept(server, NULL, NULL));
    *listener = server;
}

void tcp(int argc, char **argv)
{
    CHECK(argc == 2, "usage: tcp KIND");
    const char *kind = argv[1];
    bytes = malloc(most);
    seen = malloc(much);
    pattern_fill(bytes, most, 7);
    int ends[2], listener, a, b;
    make(kind, ends, &listener);
    a = ends[0], b = ends[1];
    int deaf = -1;
    bool queued = !strstr(kind, "empty");
    size_t to_b = 0, to_a = 0;
    if (queued) {
        put(a, bytes, to_b = 40000);
        put(b, bytes + 1000, to_a = 3000);
    }
    if (strstr(kind, "full")) {
        // More than the peer has room for: some of it was never sent.
        MUST(fcntl(a, F_SETFL, O_NONBLOCK));
        for (;;) {
            ssize_t length = write(a, bytes + to_b, most - to_b);
            if (length <= 0) break;
            to_b += length;
        }
        CHECK(errno == EAGAIN && to_b < most, "write: %s", strerror(errno));
        MUST(fcntl(a, F_SETFL, 0));
    }
    if (strstr(kind, "options")) {
        set(a, IPPROTO_TCP, TCP_NODELAY, 1);
        set(a, SOL_SOCKET, SO_KEEPALIVE, 1);
        set(a, IPPROTO_TCP, TCP_KEEPIDLE, 1234);
        set(b, SOL_SOCKET, SO_REUSEADDR, 1);
        MUST(setsockopt(a, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
        MUST(fcntl(b, F_SETFL, O_NONBLOCK));
    }
    if (strstr(kind, "unacked")) {
        // A hears nothing any more, so B has to keep all of it.
        turn_deaf(deaf = a);
        put(b, bytes + 1000 + to_a, 20000);
        to_a += 20000;
    }
    // A: close-wait, B: fin-wait-2.
    if (strstr(kind, "half")) {
        MUST(shutdown(b, SHUT_WR));
        await_state(a, TCP_CLOSE_WAIT);
        await_state(b, TCP_FIN_WAIT2);
    }
    // B: fin-wait-1, as A does not hear of its end.
    if (strstr(kind, "finwait") || strstr(kind, "closing")) {
        turn_deaf(deaf = a);
        MUST(shutdown(b, SHUT_WR));
        await_state(b, TCP_FIN_WAIT1);
    }
    // A: fin-wait-1, B: closing.
    if (strstr(kind, "closing")) {
        MUST(shutdown(a, SHUT_WR));
        await_state(b, TCP_CLOSING);
    }
    // A: last-ack, B: fin-wait-2.
    if (strstr(kind, "lastack")) {
        MUST(shutdown(b, SHUT_WR));
        await_state(b, TCP_FIN_WAIT2);
        turn_deaf(deaf = b);
        MUST(shutdown(a, SHUT_WR));
        await_state(a, TCP_LAST_ACK);
    }
    if (strstr(kind, "orphan")) {
        // The peer is gone, for which it must have read all: what it sent must still be read.
        expect(a, 1000, to_a);
        close(a);
        await_state(b, TCP_CLOSE_WAIT);
    }
    if (strstr(kind, "reset")) {
        // The peer is gone without a goodbye; the program has heard of it already.
        struct linger linger = {1, 0};
        MUST(setsockopt(a, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
        close(a);
        await_state(b, TCP_CLOSE);
        if (!strstr(kind, "unseen")) {
            expect(b, 0, to_b);
            CHECK(read(b, seen, 1) == -1 && errno == ECONNRESET, "no reset: %s", strerror(errno));
        }
    }
    int waiting = -1;
    if (strstr(kind, "waiting")) {
        struct sockaddr_in name;
        socklen_t length = sizeof name;
        MUST(getsockname(listener, (struct sockaddr *)&name, &length));
        waiting = MUST(socket(AF_INET, SOCK_STREAM, 0));
        MUST(connect(waiting, (struct sockaddr *)&name, length));
    }
    int state[2] = {strstr(kind, "orphan") || strstr(kind, "reset") ? 0 : state_of(a), state_of(b)};

    struct agreement with_b = {0}, with_a = {0};
    bool agrees = state[0] == TCP_ESTABLISHED && state[1] == TCP_ESTABLISHED;
    if (agrees) with_b = agreed(a), with_a = agreed(b);
    // What is in a full queue may take more of the kernel's memory afterwards, which leaves less to offer.
    if (strstr(kind, "full")) with_b.offered = with_a.offered = 0;

    subject_ready();
    subject_await_check();

    if (agrees) expect_agreement(a, with_b), expect_agreement(b, with_a);
    if (state[0]) CHECK(state_of(a) == state[0], "the client is in state %d, not %d", state_of(a), state[0]);
    CHECK(state_of(b) == state[1], "the server is in state %d, not %d", state_of(b), state[1]);
    if (deaf >= 0) set(deaf, SOL_SOCKET, SO_DETACH_FILTER, 0);
    if (strstr(kind, "options")) {
        int value = 0;
        socklen_t length = sizeof value;
        char name[16] = "";
        MUST(getsockopt(a, IPPROTO_TCP, TCP_NODELAY, &value, &length));
        CHECK(value == 1, "TCP_NODELAY is gone");
        MUST(getsockopt(a, IPPROTO_TCP, TCP_KEEPIDLE, &value, &length));
        CHECK(value == 1234, "TCP_KEEPIDLE is %d", value);
        MUST(getsockopt(b, SOL_SOCKET, SO_REUSEADDR, &value, &length));
        CHECK(value == 1, "SO_REUSEADDR is %d", value);
        MUST(getsockopt(a, SOL_SOCKET, SO_REUSEADDR, &value, &length));
        CHECK(value == 0, "SO_REUSEADDR is %d", value);
        length = sizeof name;
        MUST(getsockopt(a, IPPROTO_TCP, TCP_CONGESTION, name, &length));
        CHECK(strcmp(name, "reno") == 0, "congestion control is %s", name);
        CHECK(MUST(fcntl(b, F_GETFL)) & O_NONBLOCK, "O_NONBLOCK is gone");
        MUST(fcntl(b, F_SETFL, 0));
    }
    if (strstr(kind, "unseen")) {
        expect(b, 0, to_b);
        CHECK(read(b, seen, 1) == -1 && errno == ECONNRESET, "the reset is gone: %s", strerror(errno));
        return;
    }
    if (strstr(kind, "reset")) {
        CHECK(read(b, seen, 1) == 0, "a socket that was reset reads: %s", strerror(errno));
        CHECK(send(b, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "a socket that was reset sends: %s", strerror(errno));
        return;
    }
    if (strstr(kind, "orphan")) {
        expect(b, 0, to_b);
        expect_end(b);
        return;
    }
    expect(b, 0, to_b);
    expect(a, 1000, to_a);
    if (strstr(kind, "closing") || strstr(kind, "lastack")) {
        expect_end(a);
        expect_end(b);
        return;
    }
    put(a, bytes, 100000);
    expect(b, 0, 100000);
    if (strstr(kind, "half") || strstr(kind, "finwait")) {
        expect_end(a);
        close(a);
        expect_end(b);
    } else {
        put(b, bytes + 5000, 100000);
        expect(a, 5000, 100000);
        close(b);
        expect_end(a);
    }
    if (waiting >= 0) close(waiting);
    close(listener);
}
