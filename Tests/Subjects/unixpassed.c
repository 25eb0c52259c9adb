#include "subject.h"
#include "unixsockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

// Descriptors of many kinds, each held by a message alone.
void unix_passed(void)
{
    enum { event, memory, timer, signals, datagram, listener, process, route, fifo, place, count };
    int fds[count], ends[2], value = 3;
    char got[100];
    ssize_t n;
    uint64_t number = 7;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, now;
    socklen_t length = sizeof now;
    fds[event] = MUST(eventfd(7, EFD_NONBLOCK));
    fds[memory] = MUST(memfd_create("passed", MFD_ALLOW_SEALING));
    CHECK(MUST(write(fds[memory], "in memory", 9)) == 9, "a write was cut");
    MUST(fcntl(fds[memory], F_ADD_SEALS, F_SEAL_GROW));
    MUST(lseek(fds[memory], 3, SEEK_SET));
    fds[timer] = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    MUST(timerfd_settime(fds[timer], 0, &(struct itimerspec){{0, 0}, {5000, 0}}, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    fds[signals] = MUST(signalfd(-1, &set, SFD_NONBLOCK));
    fds[datagram] = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(bind(fds[datagram], (struct sockaddr *)&name, sizeof name));
    fds[listener] = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(fds[listener], (struct sockaddr *)&name, sizeof name));
    MUST(listen(fds[listener], 3));
    MUST(getsockname(fds[listener], (struct sockaddr *)&name, &length));
    fds[process] = MUST((int)syscall(SYS_pidfd_open, getpid(), 0));
    fds[route] = MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    MUST(mkfifo("passed.fifo", 0600));
    fds[fifo] = MUST(open("passed.fifo", O_RDWR | O_NONBLOCK));
    CHECK(MUST(write(fds[fifo], "in a fifo", 9)) == 9, "a write was cut");
    fds[place] = MUST(open(".", O_PATH));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
    for (int i = 0; i < count; i++) {
        send_rights(ends[0], "take", 4, &fds[i], 1);
        close(fds[i]);
    }

    subject_ready();
    subject_await_check();

    for (int i = 0; i < count; i++)
        CHECK(receive_rights(ends[1], got, 100, &n, &fds[i]) == 1 && n == 4, "message %d has no descriptor", i);
    CHECK(MUST(read(fds[event], &number, 8)) == 8 && number == 7, "the eventfd counts %lu", (unsigned long)number);
    exact_read(fds[memory], got, 6);
    CHECK(memcmp(got, "memory", 6) == 0, "a passed memfd changed");
    CHECK(MUST(fcntl(fds[memory], F_GET_SEALS)) == F_SEAL_GROW, "its seals changed");
    struct itimerspec left;
    MUST(timerfd_gettime(fds[timer], &left));
    CHECK(left.it_value.tv_sec > 4000 && left.it_value.tv_sec <= 5000, "the timer has %ld s", (long)left.it_value.tv_sec);
    kill(getpid(), SIGUSR2);
    struct signalfd_siginfo info;
    CHECK(MUST(read(fds[signals], &info, sizeof info)) == sizeof info && info.ssi_signo == SIGUSR2, "no signal");
    MUST(getsockname(fds[datagram], (struct sockaddr *)&now, &length));
    int client = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    CHECK(MUST(sendto(client, "hello", 5, 0, (struct sockaddr *)&now, sizeof now)) == 5, "sendto");
    CHECK(MUST(recv(fds[datagram], got, 100, 0)) == 5, "no datagram");
    int stream = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(stream, (struct sockaddr *)&name, sizeof name));
    MUST(accept(fds[listener], NULL, NULL));
    CHECK(syscall(SYS_pidfd_send_signal, fds[process], SIGUSR2, NULL, 0) == 0, "the pidfd leads nowhere: %s", strerror(errno));
    CHECK(MUST(read(fds[signals], &info, sizeof info)) == sizeof info, "no signal by the pidfd");
    length = sizeof value;
    MUST(getsockopt(fds[route], SOL_SOCKET, SO_DOMAIN, &value, &length));
    CHECK(value == AF_NETLINK, "the netlink socket is of family %d", value);
    exact_read(fds[fifo], got, 9);
    CHECK(memcmp(got, "in a fifo", 9) == 0, "a passed fifo changed");
    CHECK(MUST(openat(fds[place], "passed.fifo", O_RDONLY | O_NONBLOCK)) >= 0, "the directory is another");
}
