#include "holder.h"
#include "subject.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <linux/aio_abi.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <poll.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int hold_unix_pair(void)
{
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    return ends[0];
}

static int hold_unix_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "holder.socket"};
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST(bind(fd, (struct sockaddr *)&address, sizeof address));
    MUST(listen(fd, 4));
    return fd;
}

// An urgent byte, which no peek shows in its place.
static int hold_unix_urgent(void)
{
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    MUST(send(ends[0], "abc", 3, MSG_OOB));
    return ends[1];
}

// A descriptor that the message alone holds.
static int pass(int passed)
{
    int ends[2];
    char control[CMSG_SPACE(sizeof passed)] = {0};
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof passed)};
    memcpy(CMSG_DATA(head), &passed, sizeof passed);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    MUST(sendmsg(ends[0], &message, 0));
    close(passed);
    return ends[1];
}

static int hold_unix_passed_epoll(void) { return pass(MUST(epoll_create1(0))); }
static int hold_unix_passed_inotify(void) { return pass(MUST(inotify_init1(0))); }
static int hold_unix_passed_pty(void) { return pass(MUST(posix_openpt(O_RDWR | O_NOCTTY))); }
static int hold_unix_passed_outside_pidfd(void) { return pass(MUST((int)syscall(SYS_pidfd_open, getppid(), 0))); }

static int hold_unix_dgram(void) { return MUST(socket(AF_UNIX, SOCK_DGRAM, 0)); }

static int listening(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(bind(fd, (struct sockaddr *)address, sizeof *address));
    MUST(listen(fd, 4));
    MUST(getsockname(fd, (struct sockaddr *)address, &length));
    return fd;
}

static int hold_tcp_listen(void)
{
    struct sockaddr_in address;
    return listening(&address);
}

static int hold_tcp_established(void)
{
    struct sockaddr_in address;
    int server = listening(&address), client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(client, (struct sockaddr *)&address, sizeof address));
    MUST(accept(server, NULL, NULL));
    return client;
}

static int connected(int *server)
{
    struct sockaddr_in address;
    int listener = listening(&address), client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(client, (struct sockaddr *)&address, sizeof address));
    *server = MUST(accept(listener, NULL, NULL));
    return client;
}
static int hold_unix_passed_connection(void)
{
    int server;
    connected(&server);
    return pass(server);
}
// An urgent byte amid others.
static int hold_tcp_urgent(void)
{
    int server, client = connected(&server), waiting = 0;
    MUST(send(client, "abc", 3, MSG_OOB));
    for (int i = 0; i < 2000 && waiting < 2; i++, pause_ns(1000000)) MUST(ioctl(server, FIONREAD, &waiting));
    return server;
}
static int udp_with(int name, int value)
{
    struct sockaddr_in far = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9)};
    int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(connect(fd, (struct sockaddr *)&far, sizeof far));
    if (name) MUST(setsockopt(fd, IPPROTO_UDP, name, &value, sizeof value));
    return fd;
}
static int hold_udp_more(void)
{
    int fd = udp_with(0, 0);
    MUST(send(fd, "half a datagram", 15, MSG_MORE));
    return fd;
}
// UDP_CORK
static int hold_udp_cork(void)
{
    int fd = udp_with(1, 1);
    MUST(send(fd, "half a datagram", 15, 0));
    return fd;
}
// UDP_ENCAP of L2TP
static int hold_udp_tunnel(void) { return udp_with(100, 3); }
static int hold_socket_program(void)
{
    // BPF_PROG_LOAD of a socket filter: r0 = -1, exit.
    static uint64_t code[] = {0xffffffff000000b7, 0x95};
    static char license[] = "GPL";
    struct { uint32_t type, count; uint64_t code, license; uint64_t rest[12]; } load = {
        1, 2, (uintptr_t)code, (uintptr_t)license, {0}};
    int program = MUST((int)syscall(SYS_bpf, 5, &load, sizeof load)), fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program));
    close(program);
    return fd;
}

static int hold_udp(void) { return MUST(socket(AF_INET6, SOCK_DGRAM, 0)); }
static int hold_netlink(void) { return MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)); }
static int hold_eventfd(void) { return MUST(eventfd(7, EFD_NONBLOCK)); }
static int hold_inotify(void)
{
    int fd = MUST(inotify_init1(0));
    MUST(inotify_add_watch(fd, ".", IN_CREATE));
    return fd;
}
static int hold_events(void)
{
    // A directory where nobody else makes anything.
    MUST(mkdir("holder.events", 0700));
    int fd = MUST(inotify_init1(0));
    MUST(inotify_add_watch(fd, "holder.events", IN_CREATE));
    close(MUST(open("holder.events/new", O_WRONLY | O_CREAT, 0600)));
    return fd;
}
static int hold_deleted_watch(void)
{
    int fd = MUST(inotify_init1(0));
    MUST(open("holder.watched", O_RDWR | O_CREAT, 0600));
    MUST(inotify_add_watch(fd, "holder.watched", IN_MODIFY));
    MUST(unlink("holder.watched"));
    return fd;
}
static int hold_io_uring(void)
{
    uint32_t parameters[30] = {0};
    return MUST((int)syscall(SYS_io_uring_setup, 4, parameters));
}
static int hold_bpf(void)
{
    // BPF_MAP_CREATE of an array: type, key size, value size, entries.
    uint32_t attributes[18] = {2, 4, 4, 1};
    return MUST((int)syscall(SYS_bpf, 0, attributes, sizeof attributes));
}
static int hold_kvm(void) { return MUST(open("/dev/kvm", O_RDWR)); }
static int hold_fuse(void) { return MUST(open("/dev/fuse", O_RDWR)); }
static int hold_message_queue(void)
{
    mqd_t queue = MUST(mq_open("/holder", O_RDWR | O_CREAT, 0600, NULL));
    MUST(mq_unlink("/holder"));
    return (int)queue;
}
static int hold_aio(void)
{
    unsigned long context = 0;
    MUST((int)syscall(SYS_io_setup, 4, &context));
    // Waits for readiness that does not come.
    int counter = MUST(eventfd(0, EFD_CLOEXEC));
    struct iocb poll = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = (unsigned)counter, .aio_buf = POLLIN};
    struct iocb *list = &poll;
    MUST((int)syscall(SYS_io_submit, context, 1L, &list));
    return no_descriptor;
}
static int hold_secret_memory(void) { return MUST((int)syscall(SYS_memfd_secret, 0)); }
static int hold_filesystem_mark(void)
{
    int fd = MUST(fanotify_init(0, O_RDONLY));
    MUST(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CLOSE_WRITE, AT_FDCWD, "/proc"));
    return fd;
}
static int hold_epoll(void)
{
    int fd = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    int ends[2];
    MUST(pipe(ends));
    MUST(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event));
    return fd;
}
static int hold_signalfd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return MUST(signalfd(-1, &set, 0));
}
static int hold_timerfd(void)
{
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec far = {{0, 0}, {5000, 0}};
    MUST(timerfd_settime(fd, 0, &far, NULL));
    return fd;
}
static int hold_pidfd(void) { return MUST((int)syscall(SYS_pidfd_open, getpid(), 0)); }
static int hold_outside_pidfd(void) { return MUST((int)syscall(SYS_pidfd_open, getppid(), 0)); }
// The watched pipe end lives on in a process that leaves the tree.
static int hold_escaped_epoll(void)
{
    int fd = MUST(epoll_create1(EPOLL_CLOEXEC)), ends[2];
    struct epoll_event event = {.events = EPOLLIN};
    MUST(pipe2(ends, O_CLOEXEC));
    MUST(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event));
    if (MUST(fork()) == 0) {
        setsid();
        if (fork() == 0) {
            char byte;
            close(fd);
            close(ends[1]);
            while (read(ends[0], &byte, 1) > 0) continue;
        }
        _exit(0);
    }
    MUST(wait(NULL));
    close(ends[0]);
    // Else the outsider would end, and its end of the pipe with it.
    return fd;
}
static int hold_memfd(void) { return MUST(memfd_create("holder", 0)); }
static int hold_pty(void)
{
    int master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
    MUST(grantpt(master));
    MUST(unlockpt(master));
    MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
    return master;
}
static int hold_packet_pipe(void)
{
    int ends[2];
    MUST(pipe2(ends, O_DIRECT));
    return ends[0];
}
// The read end alone does not tell that what is unread are packets.
static int hold_packets(void)
{
    int ends[2];
    MUST(pipe2(ends, O_DIRECT));
    CHECK(write(ends[1], "one", 3) == 3 && write(ends[1], "two", 3) == 3, "write: %s", strerror(errno));
    close(ends[1]);
    return ends[0];
}
static int hold_directory_watch(void)
{
    MUST(mkdir("holder.watched", 0700));
    int fd = MUST(open("holder.watched", O_RDONLY | O_DIRECTORY));
    MUST(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
    return fd;
}
static int hold_outside_owner(void)
{
    int ends[2];
    MUST(pipe(ends));
    MUST(fcntl(ends[0], F_SETOWN, getppid()));
    return ends[0];
}
// That an owner gets SIGIO shows in /proc; who it is does not. The first process of all has nothing to fear of it.
static int hold_async_owner(void)
{
    int ends[2];
    MUST(pipe(ends));
    MUST(fcntl(ends[0], F_SETOWN, 1));
    MUST(fcntl(ends[0], F_SETFL, O_ASYNC));
    return ends[0];
}
// A request to the processor's power management lives as long as the file is open.
static int hold_device(void)
{
    int32_t microseconds = 12345;
    int fd = MUST(open("/dev/cpu_dma_latency", O_RDWR));
    CHECK(write(fd, &microseconds, sizeof microseconds) == sizeof microseconds, "write: %s", strerror(errno));
    return fd;
}
static int hold_kernel_log(void)
{
    char record[8192];
    int fd = MUST(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
    CHECK(read(fd, record, sizeof record) > 0, "the kernel's log cannot be read: %s", strerror(errno));
    return fd;
}
static int hold_flock(void)
{
    int fd = MUST(open("holder.lock", O_RDWR | O_CREAT, 0600));
    MUST(flock(fd, LOCK_EX));
    return fd;
}
static int hold_posix_lock(void)
{
    int fd = MUST(open("holder.lock", O_RDWR | O_CREAT, 0600));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    MUST(fcntl(fd, F_SETLK, &lock));
    return fd;
}
static int hold_ofd_lock(void)
{
    int fd = MUST(open("holder.lock", O_RDWR | O_CREAT, 0600));
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 10};
    MUST(fcntl(fd, F_OFD_SETLK, &lock));
    return fd;
}
static int hold_lease(void)
{
    int fd = MUST(open("holder.lease", O_RDONLY | O_CREAT, 0600));
    MUST(fcntl(fd, F_SETLEASE, F_RDLCK));
    return fd;
}
// The one that this process has left.
static int hold_namespace(void)
{
    int fd = MUST(open("/proc/self/ns/uts", O_RDONLY));
    MUST(unshare(CLONE_NEWUTS));
    return fd;
}
static int hold_proc(void) { return MUST(open("/proc/1/status", O_RDONLY)); }
static int hold_outside_pipe(void)
{
    // The reader leaves the tree: a double fork into a session of its own, reparented to the runner.
    int ends[2];
    MUST(pipe(ends));
    pid_t between = MUST(fork());
    if (between == 0) {
        setsid();
        if (fork() == 0) {
            char byte;
            close(ends[1]);
            while (read(ends[0], &byte, 1) > 0) continue;
        }
        _exit(0);
    }
    // Until then the reader is still of the tree.
    MUST(waitpid(between, NULL, 0));
    close(ends[0]);
    return ends[1];
}

static const struct kind {
    const char *name;
    int (*hold)(void);
} kinds[] = {
    {"unix-pair", hold_unix_pair},     {"unix-listen", hold_unix_listen}, {"unix-dgram", hold_unix_dgram},
    {"unix-urgent", hold_unix_urgent}, {"unix-passed-epoll", hold_unix_passed_epoll},
    {"unix-passed-inotify", hold_unix_passed_inotify}, {"unix-passed-pty", hold_unix_passed_pty},
    {"unix-passed-outside-pidfd", hold_unix_passed_outside_pidfd},
    {"unix-passed-connection", hold_unix_passed_connection}, {"tcp-urgent", hold_tcp_urgent},
    {"udp-more", hold_udp_more}, {"udp-cork", hold_udp_cork}, {"udp-tunnel", hold_udp_tunnel},
    {"socket-program", hold_socket_program},
    {"tcp-listen", hold_tcp_listen},   {"tcp-established", hold_tcp_established},
    {"udp", hold_udp},                 {"netlink", hold_netlink},         {"eventfd", hold_eventfd},
    {"inotify", hold_inotify},         {"epoll", hold_epoll},             {"signalfd", hold_signalfd},
    {"timerfd", hold_timerfd},         {"pidfd", hold_pidfd},             {"memfd", hold_memfd},
    {"events", hold_events},           {"deleted-watch", hold_deleted_watch},
    {"filesystem-mark", hold_filesystem_mark}, {"io_uring", hold_io_uring}, {"bpf", hold_bpf},
    {"kvm", hold_kvm},                 {"fuse", hold_fuse},               {"message-queue", hold_message_queue},
    {"aio", hold_aio},                 {"secret-memory", hold_secret_memory},
    {"outside-pidfd", hold_outside_pidfd}, {"escaped-epoll", hold_escaped_epoll},
    {"pty", hold_pty},                 {"packet-pipe", hold_packet_pipe},
    {"packets", hold_packets},         {"directory-watch", hold_directory_watch},
    {"outside-owner", hold_outside_owner}, {"flock", hold_flock},
    {"posix-lock", hold_posix_lock},   {"ofd-lock", hold_ofd_lock},       {"lease", hold_lease},
    {"namespace", hold_namespace},     {"proc", hold_proc},               {"userfaultfd", hold_userfaultfd},
    {"perf", hold_perf},               {"outside-pipe", hold_outside_pipe},
    {"async-owner", hold_async_owner}, {"device", hold_device},           {"kernel-log", hold_kernel_log},
    {"landlock", hold_landlock},
};
static const size_t kind_count = sizeof kinds / sizeof kinds[0];

// What the device or the log has for this open file and for no other.
static void check_state(int fd, const char *kind)
{
    if (strcmp(kind, "device") == 0) {
        int32_t microseconds = 0;
        CHECK(pread(fd, &microseconds, sizeof microseconds, 0) == sizeof microseconds, "read: %s", strerror(errno));
        CHECK(microseconds <= 12345, "the request is gone, the limit is %d", microseconds);
    }
    if (strcmp(kind, "kernel-log") == 0) {
        char next[8192], first[8192];
        ssize_t length = read(fd, next, sizeof next);
        int fresh = MUST(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
        CHECK(length > 0 && read(fresh, first, sizeof first) > 0, "the log has no second record: %s", strerror(errno));
        // Priority, number, time: `6,339,5140900,-;text`.
        CHECK(strtol(strchr(next, ',') + 1, NULL, 10) > strtol(strchr(first, ',') + 1, NULL, 10), "the log begins anew");
    }
}

// Locks, watches and marks of a descriptor as its fdinfo has them, and how many bytes wait in it.
static void describe(int fd, char *text, size_t size)
{
    char path[64], line[512];
    int waiting = 0;
    if (ioctl(fd, FIONREAD, &waiting) != 0) waiting = 0;
    size_t length = (size_t)snprintf(text, size, "%d waiting\n", waiting);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(path, "r");
    CHECK(file, "%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        bool counts = strncmp(line, "lock:", 5) == 0 || strncmp(line, "inotify", 7) == 0 || strncmp(line, "fanotify", 8) == 0;
        if (counts && length < size) length += (size_t)snprintf(text + length, size - length, "%s", line);
    }
    fclose(file);
}

void holder(int argc, char **argv)
{
    const struct kind *kind = NULL;
    for (size_t i = 0; i < kind_count; i++)
        if (argc == 2 && strcmp(argv[1], kinds[i].name) == 0) kind = &kinds[i];
    if (!kind) {
        fprintf(stderr, "usage: holder KIND, one of:");
        for (size_t i = 0; i < kind_count; i++) fprintf(stderr, " %s", kinds[i].name);
        fprintf(stderr, "\n");
        subject_fail("no such kind");
    }
    int fd = kind->hold();
    struct stat before, now;
    static char described[4096], again[4096];
    if (fd >= 0) {
        MUST(fstat(fd, &before));
        describe(fd, described, sizeof described);
    }
    subject_ready();
    subject_await_check();
    if (fd < 0) return;
    MUST(fstat(fd, &now));
    CHECK(before.st_ino == now.st_ino && before.st_dev == now.st_dev, "fd %d is another object", fd);
    describe(fd, again, sizeof again);
    CHECK(strcmp(described, again) == 0, "fd %d was \"%s\" and is \"%s\"", fd, described, again);
    check_state(fd, kind->name);
}
