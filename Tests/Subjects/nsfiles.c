// Descriptors of /proc/PID/ns/X: of each namespace that the subject is in, and how they are used.
#include "subject.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    int flag;
} kinds[] = {{"uts", CLONE_NEWUTS}, {"net", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC}, {"cgroup", CLONE_NEWCGROUP}, {"mnt", 0},
             {"pid", 0}, {"user", 0}, {"time", 0}};
enum { count = sizeof kinds / sizeof kinds[0] };
static int fds[count];

static const char *path_of(int kind)
{
    static char path[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[kind].name);
    return path;
}

// Whoever asks is in the namespaces that the descriptors are of.
static void look(const char *who)
{
    struct stat own, held;
    for (int i = 0; i < count; i++) {
        MUST(stat(path_of(i), &own));
        MUST(fstat(fds[i], &held));
        CHECK(own.st_ino == held.st_ino, "%s: %s is of namespace %llu, its own is %llu", who, kinds[i].name,
              (unsigned long long)held.st_ino, (unsigned long long)own.st_ino);
    }
}

static void inherit(void *argument)
{
    child_ready();
    subject_await_check();
    look(argument);
}

void nsfiles(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < count; i++) fds[i] = MUST(open(path_of(i), O_RDONLY | (i % 2 ? O_CLOEXEC : 0)));
    // One that is on its way in a message.
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = {.aligned = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.aligned), &fds[0], sizeof(int));
    struct iovec text = {.iov_base = (char[1]){'u'}, .iov_len = 1};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    MUST(sendmsg(pair[0], &message, 0));
    pid_t child = child_start(inherit, "child");
    look("before");
    subject_ready();
    subject_await_check();
    look("root");
    for (int i = 0; i < count; i++) {
        int flags = fcntl(fds[i], F_GETFL), descriptor = fcntl(fds[i], F_GETFD);
        CHECK((flags & O_ACCMODE) == O_RDONLY && descriptor == (i % 2 ? FD_CLOEXEC : 0), "%s has flags %o, %d", kinds[i].name, flags, descriptor);
        if (kinds[i].flag) CHECK(setns(fds[i], kinds[i].flag) == 0, "setns to %s: %s", kinds[i].name, strerror(errno));
    }
    look("after setns");
    message.msg_controllen = sizeof control;
    CHECK(recvmsg(pair[1], &message, 0) == 1 && CMSG_FIRSTHDR(&message), "the message has no descriptor: %s", strerror(errno));
    int passed;
    memcpy(&passed, CMSG_DATA(&control.aligned), sizeof passed);
    CHECK(setns(passed, CLONE_NEWUTS) == 0, "setns to what was passed: %s", strerror(errno));
    child_expect(child, 0);
}
