#include "subject.h"
#include "unixsockets.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// A server outside the tree. Asked for it, it tells each client whom the kernel names as that client.
enum { stream, packets, datagrams, abstract, servers };

static const struct {
    int type;
    const char *name;
} places[servers] = {
    {SOCK_STREAM, "stream"}, {SOCK_SEQPACKET, "packets"}, {SOCK_DGRAM, "datagrams"}, {SOCK_DGRAM, "@"},
};

static struct sockaddr_un addresses[servers];
static socklen_t lengths[servers];

static void name_servers(void)
{
    char cwd[80];
    CHECK(getcwd(cwd, sizeof cwd), "getcwd: %s", strerror(errno));
    for (int i = 0; i < servers; i++) {
        char *path = addresses[i].sun_path;
        int room = sizeof addresses[i].sun_path - 1;
        addresses[i].sun_family = AF_UNIX;
        int n = i == abstract ? snprintf(path + 1, room, "crplan-outside-%d", getpid()) + 1
                              : snprintf(path, room, "%s/%s", cwd, places[i].name) + 1;
        lengths[i] = offsetof(struct sockaddr_un, sun_path) + n;
    }
}

static void tell_connected(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length));
    MUST(send(fd, &peer, sizeof peer, MSG_NOSIGNAL));
}

static void tell_sender(int fd)
{
    char byte, control[CMSG_SPACE(sizeof(struct ucred))];
    struct sockaddr_un from;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    MUST(recvmsg(fd, &message, 0));
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    sendto(fd, CMSG_DATA(head), sizeof(struct ucred), 0, (struct sockaddr *)&from, message.msg_namelen);
}

_Noreturn static void serve(int *listening)
{
    struct pollfd polled[servers + 8];
    int count = servers;
    for (int i = 0; i < servers; i++) polled[i] = (struct pollfd){listening[i], POLLIN, 0};
    for (;;) {
        // It ends by itself once its directory is cleared away.
        if (MUST(poll(polled, count, 500)) == 0 && access(addresses[stream].sun_path, F_OK) != 0) _exit(0);
        for (int i = 0; i < count; i++) {
            if (polled[i].revents == 0) continue;
            char byte;
            if (i == datagrams || i == abstract) tell_sender(polled[i].fd);
            else if (i < servers) polled[count++] = (struct pollfd){MUST(accept(polled[i].fd, NULL, NULL)), POLLIN, 0};
            else if (recv(polled[i].fd, &byte, 1, 0) == 1) tell_connected(polled[i].fd);
            else close(polled[i].fd), polled[i].fd = -1;
            if (count > servers + 7) _exit(1);
        }
    }
}

static void start_server(void)
{
    int listening[servers], ready[2];
    char byte;
    MUST(pipe(ready));
    // It leaves the tree: a double fork into a session of its own, reparented to the runner.
    pid_t between = MUST(fork());
    if (between == 0) {
        setsid();
        if (fork() != 0) _exit(0);
        for (int i = 0; i < servers; i++) {
            listening[i] = MUST(socket(AF_UNIX, places[i].type | SOCK_CLOEXEC, 0));
            MUST(setsockopt(listening[i], SOL_SOCKET, SO_PASSCRED, &(int){i >= datagrams}, sizeof(int)));
            MUST(bind(listening[i], (struct sockaddr *)&addresses[i], lengths[i]));
            if (i < datagrams) MUST(listen(listening[i], 4));
            if (i != abstract) MUST(chmod(addresses[i].sun_path, 0777));
        }
        close(ready[0]);
        MUST(write(ready[1], "", 1));
        close(ready[1]);
        serve(listening);
    }
    close(ready[1]);
    child_expect(between, 0);
    CHECK(read(ready[0], &byte, 1) == 1, "the server does not start");
    close(ready[0]);
}

static void ask(int fd)
{
    struct ucred told;
    CHECK(MUST(send(fd, "?", 1, MSG_NOSIGNAL)) == 1, "send");
    CHECK(MUST(recv(fd, &told, sizeof told, 0)) == sizeof told, "the server's answer is cut");
    if (only_common) return;
    CHECK(told.pid == getpid() && told.uid == 65534 && told.gid == 65534, "the server was told %d, uid %u, gid %u", told.pid, told.uid,
          told.gid);
}

// The first word says which of the servers there are clients of; then what a restore makes of them: "again" or "closed".
void unix_outside(const char *which)
{
    bool isClosed = strcmp(which, "outside-closed") == 0;
    bool isAll = isClosed || strcmp(which, "outside-all") == 0;
    int clients[servers];
    name_servers();
    MUST(chmod(".", 0777));
    start_server();
    if (!only_common) {
        MUST(setgid(65534));
        MUST(setuid(65534));
    }
    for (int i = isAll ? 0 : datagrams; i < servers; i++) {
        clients[i] = MUST(socket(AF_UNIX, places[i].type, 0));
        // Answers need an address: the kernel finds one.
        if (i >= datagrams) MUST(bind(clients[i], &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)));
        MUST(connect(clients[i], (struct sockaddr *)&addresses[i], lengths[i]));
        ask(clients[i]);
    }

    subject_ready();
    subject_await_check();

    for (int i = isAll ? 0 : datagrams; i < servers; i++) {
        char byte;
        if (!isClosed) ask(clients[i]);
        else if (i < datagrams) CHECK(recv(clients[i], &byte, 1, 0) == 0, "the connection to %s is not closed", places[i].name);
        else CHECK(send(clients[i], "?", 1, 0) == -1 && errno == ENOTCONN, "the connection to %s is not closed", places[i].name);
    }
}
