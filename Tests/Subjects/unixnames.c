#include "subject.h"
#include "unixsockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t address_of(struct sockaddr_un *address, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t n = strlen(name);
    memcpy(address->sun_path, name, n);
    if (name[0] == '@') address->sun_path[0] = 0;
    return offsetof(struct sockaddr_un, sun_path) + n + (name[0] != '@');
}

static int bound(int type, const char *name)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, name);
    int fd = MUST(socket(AF_UNIX, type, 0));
    MUST(bind(fd, (struct sockaddr *)&address, length));
    return fd;
}

static int connect_to(int fd, const char *name)
{
    struct sockaddr_un address;
    socklen_t length = address_of(&address, name);
    return connect(fd, (struct sockaddr *)&address, length);
}

static int client_of(int type, const char *name)
{
    int fd = MUST(socket(AF_UNIX, type, 0));
    MUST(connect_to(fd, name));
    return fd;
}

static void expect_name(int fd, bool ofPeer, const char *name)
{
    if (only_common && ofPeer) return;
    struct sockaddr_un address = {0}, wanted;
    socklen_t length = sizeof address, expected = address_of(&wanted, name);
    if (name[0] == 0) expected = offsetof(struct sockaddr_un, sun_path);
    MUST((ofPeer ? getpeername : getsockname)(fd, (struct sockaddr *)&address, &length));
    CHECK(length == expected && memcmp(&address, &wanted, length) == 0, "fd %d: the %s is called %s, not %s", fd,
          ofPeer ? "peer" : "socket", address.sun_path, name);
}

static void expect_read(int fd, const char *text)
{
    char got[200];
    ssize_t n = recv(fd, got, sizeof got, MSG_DONTWAIT);
    CHECK(n == (ssize_t)strlen(text) && memcmp(got, text, n) == 0, "fd %d: \"%s\" changed: %zd bytes, %s", fd, text, n,
          n < 0 ? strerror(errno) : "read");
}

static void put(int fd, const char *text) { CHECK(MUST(write(fd, text, strlen(text))) == (ssize_t)strlen(text), "a write was cut"); }

static char paths[4][100];

static void make_paths(void)
{
    char cwd[60];
    CHECK(getcwd(cwd, sizeof cwd), "getcwd: %s", strerror(errno));
    MUST(mkdir("private", 0700));
    snprintf(paths[0], sizeof paths[0], "%s/private/server", cwd);
    snprintf(paths[1], sizeof paths[1], "%s/gone", cwd);
    snprintf(paths[2], sizeof paths[2], "@crplan-subject-%d", getpid());
    snprintf(paths[3], sizeof paths[3], "%s/sender", cwd);
}

// A client that gave up root after it had connected to a socket it may not reach any more.
static int to_child[2];

static void unprivileged(void *argument)
{
    (void)argument;
    int fd = client_of(SOCK_STREAM, paths[0]);
    if (!only_common) {
        MUST(setgid(65534));
        MUST(setuid(65534));
    }
    child_ready();
    char line[6];
    exact_read(fd, line, sizeof line);
    CHECK(write(fd, line, sizeof line) == sizeof line, "write: %s", strerror(errno));
}

void unix_listen(void)
{
    make_paths();
    int server = bound(SOCK_STREAM | SOCK_NONBLOCK, paths[0]);
    MUST(chmod(paths[0], 0610));
    MUST(chown(paths[0], 33, 44));
    MUST(listen(server, 3));
    const char *relative_name = only_common ? "relative" : "private/../relative";
    int relative = bound(SOCK_SEQPACKET, relative_name);
    MUST(listen(relative, 7));
    int hidden = bound(SOCK_STREAM, paths[2]);
    MUST(listen(hidden, 5));

    pid_t child = child_start(unprivileged, NULL);
    int of_child = MUST(accept(server, NULL, NULL));
    int client = client_of(SOCK_STREAM, paths[0]), accepted = MUST(accept(server, NULL, NULL));
    put(client, "to the server");
    put(accepted, "to the client");
    int other = client_of(SOCK_SEQPACKET, "relative"), packets = MUST(accept(relative, NULL, NULL));
    CHECK(MUST(send(other, "packet", 6, 0)) == 6, "send");
    int abstract = client_of(SOCK_STREAM, paths[2]), reached = MUST(accept(hidden, NULL, NULL));

    // A server that is gone, with a connection that is not, and one whose client is gone.
    int old = bound(SOCK_STREAM, paths[1]);
    MUST(listen(old, 5));
    int survivor = client_of(SOCK_STREAM, paths[1]), served = MUST(accept(old, NULL, NULL));
    int left = -1;
    if (!only_common) {
        int leaver = client_of(SOCK_STREAM, paths[1]);
        left = MUST(accept(old, NULL, NULL));
        put(leaver, "farewell");
        close(leaver);
    }
    close(old);
    MUST(unlink(paths[1]));
    int deleted = bound(SOCK_STREAM, paths[1]);
    MUST(listen(deleted, 1));
    MUST(unlink(paths[1]));

    // Three that wait; the order shows by their names.
    int waiting[3];
    char names[3][120];
    for (int i = 0; i < 3; i++) {
        snprintf(names[i], sizeof names[i], "%s-%d", paths[2], i);
        waiting[i] = bound(SOCK_STREAM, names[i]);
        MUST(connect_to(waiting[i], paths[2]));
    }
    MUST(shutdown(waiting[1], SHUT_WR));

    subject_ready();
    subject_await_check();

    struct stat facts;
    MUST(stat(paths[0], &facts));
    CHECK(facts.st_mode == (S_IFSOCK | 0610) && facts.st_uid == 33 && facts.st_gid == 44, "the server's file is %o %u %u",
          facts.st_mode, facts.st_uid, facts.st_gid);
    CHECK(access(paths[1], F_OK) == -1 && errno == ENOENT, "a deleted socket is there again");
    expect_name(server, false, paths[0]);
    expect_name(relative, false, relative_name);
    expect_name(deleted, false, paths[1]);
    CHECK(accept(server, NULL, NULL) == -1 && errno == EAGAIN, "a connection waits that nobody made");

    if (!only_common) {
        expect_peer(of_child, child);
        expect_peer(client, getpid());
    }
    expect_name(client, true, paths[0]);
    if (!only_common) expect_name(accepted, false, paths[0]);
    expect_name(accepted, true, "");
    expect_read(accepted, "to the server");
    expect_read(client, "to the client");
    expect_name(other, true, relative_name);
    expect_read(packets, "packet");
    put(reached, "hello");
    expect_read(abstract, "hello");
    if (!only_common) expect_name(reached, false, paths[2]);
    put(survivor, "still here");
    expect_read(served, "still here");
    expect_name(survivor, true, paths[1]);
    if (!only_common) {
        expect_name(left, false, paths[1]);
        expect_read(left, "farewell");
        expect_read(left, "");
    }

    put(of_child, "hello");
    CHECK(write(of_child, "", 1) == 1, "write: %s", strerror(errno));
    char line[6];
    exact_read(of_child, line, sizeof line);
    CHECK(strcmp(line, "hello") == 0, "the child echoed something else");
    child_expect(child, 0);

    for (int i = 0; i < 3; i++) {
        int fd = MUST(accept(hidden, NULL, NULL));
        expect_name(fd, true, names[i]);
        put(fd, "accepted");
        expect_read(waiting[i], "accepted");
        if (i == 1) expect_read(fd, "");
    }
    int late = client_of(SOCK_STREAM, paths[0]), taken = MUST(accept(server, NULL, NULL));
    put(late, "late");
    expect_read(taken, "late");
}

// What a datagram brings besides its bytes.
static void expect_datagram(int fd, const char *text, const char *sender, const struct ucred *credentials)
{
    char got[100], control[CMSG_SPACE(sizeof(struct ucred))] = {0};
    struct sockaddr_un from = {0}, wanted;
    struct iovec part = {got, sizeof got};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = MUST(recvmsg(fd, &message, MSG_DONTWAIT));
    CHECK(n == (ssize_t)strlen(text) && memcmp(got, text, n) == 0, "the datagram \"%s\" changed: %zd bytes", text, n);
    if (only_common) return;
    socklen_t length = sender[0] ? address_of(&wanted, sender) : 0;
    CHECK(message.msg_namelen == length && memcmp(&from, &wanted, length) == 0, "\"%s\" came from %s, not %s", text, from.sun_path, sender);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (credentials) {
        CHECK(head && head->cmsg_type == SCM_CREDENTIALS && memcmp(CMSG_DATA(head), credentials, sizeof *credentials) == 0,
              "the credentials of \"%s\" changed", text);
    }
}

static int target[2];

static void sender(void *argument)
{
    (void)argument;
    int fd = client_of(SOCK_DGRAM, paths[0]);
    if (!only_common) {
        MUST(setgid(65534));
        MUST(setuid(65534));
    }
    put(fd, "from a child");
    child_ready();
    char line[6];
    exact_read(to_child[0], line, sizeof line);
    put(fd, "later");
}

void unix_dgram(void)
{
    make_paths();
    MUST(pipe(to_child));
    int server = bound(SOCK_DGRAM, paths[0]);
    if (!only_common) MUST(setsockopt(server, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)));
    int named = bound(SOCK_DGRAM, paths[3]), hidden = bound(SOCK_DGRAM, paths[2]);
    int nameless = client_of(SOCK_DGRAM, paths[0]);
    MUST(connect_to(named, paths[0]));
    MUST(connect_to(hidden, paths[0]));
    put(nameless, "first");
    put(named, "second");
    if (!only_common) put(nameless, "");
    pid_t child = child_start(sender, NULL);
    put(named, "last");

    // Named at both ends and connected to each other.
    int left = bound(SOCK_DGRAM, "left"), right = bound(SOCK_DGRAM, "right");
    MUST(connect_to(left, "right"));
    MUST(connect_to(right, "left"));
    if (!only_common) put(left, "");
    put(left, "to the right");
    if (!only_common) put(left, "");

    int widow = bound(SOCK_DGRAM, "widow"), dead = bound(SOCK_DGRAM, "dead");
    MUST(connect_to(widow, "dead"));
    MUST(connect_to(dead, "widow"));
    put(dead, "last will");
    close(dead);
    int gone[2], many = 0;
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, target));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, gone));
    put(gone[0], "orphan");
    close(gone[0]);
    for (char text[10]; many < 40; many++) {
        snprintf(text, sizeof text, "%d", many);
        put(target[0], text);
    }

    subject_ready();
    subject_await_check();

    struct ucred own = {getpid(), geteuid(), getegid()}, other = {child, 65534, 65534};
    expect_datagram(server, "first", "", &own);
    expect_datagram(server, "second", paths[3], &own);
    if (!only_common) expect_datagram(server, "", "", &own);
    expect_datagram(server, "from a child", "", &other);
    expect_datagram(server, "last", paths[3], &own);
    CHECK(write(to_child[1], "hello", 6) == 6, "write: %s", strerror(errno));
    child_expect(child, 0);
    expect_datagram(server, "later", "", &other);
    expect_name(hidden, true, paths[0]);
    put(hidden, "abstract");
    expect_datagram(server, "abstract", paths[2], &own);
    if (!only_common) expect_datagram(right, "", "left", NULL);
    expect_datagram(right, "to the right", "left", NULL);
    if (!only_common) expect_datagram(right, "", "left", NULL);
    put(right, "to the left");
    expect_datagram(left, "to the left", "right", NULL);
    expect_read(widow, "last will");
    CHECK(only_common || (write(widow, "x", 1) == -1 && errno == ECONNREFUSED), "the dead peer took a datagram: %s", strerror(errno));
    expect_read(gone[1], "orphan");
    for (int i = 0; i < many; i++) {
        char text[10];
        snprintf(text, sizeof text, "%d", i);
        expect_read(target[1], text);
    }
    CHECK(recv(target[1], &many, 4, MSG_DONTWAIT) == -1 && errno == EAGAIN, "there are more datagrams");
}
