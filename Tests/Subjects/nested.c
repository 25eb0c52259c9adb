// Children that have namespaces of their own within the tree: of uts and ipc two are carried, others block.
#include "subject.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    int flag;
} kinds[] = {{"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET}, {"mnt", CLONE_NEWNS}, {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC},
             {"cgroup", CLONE_NEWCGROUP}, {"user", CLONE_NEWUSER}, {"time", 0x80}};
enum { count = sizeof kinds / sizeof kinds[0], text_size = 80, largest_message = 5000 };

struct part {
    int kind;
    // 0 where the namespace is to be the very same at the end.
    int number;
    // Of the namespace.
    int descriptor;
};

static ino_t own(const char *kind)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    MUST(stat(path, &status));
    return status.st_ino;
}

static long setting(void)
{
    FILE *file = fopen("/proc/sys/kernel/msgmax", "r");
    long value = 0;
    CHECK(file && fscanf(file, "%ld", &value) == 1 && fclose(file) == 0, "msgmax: %s", strerror(errno));
    return value;
}

static void mark(int number)
{
    char text[text_size];
    snprintf(text, sizeof text, "nested-%d", number);
    MUST(sethostname(text, strlen(text)));
    MUST(setdomainname(text, strlen(text)));
}

static void expect_mark(int number)
{
    char host[text_size], domain[text_size], text[text_size];
    snprintf(text, sizeof text, "nested-%d", number);
    MUST(gethostname(host, sizeof host));
    MUST(getdomainname(domain, sizeof domain));
    CHECK(strcmp(host, text) == 0, "host name of %d is %s", number, host);
    CHECK(strcmp(domain, text) == 0, "domain name of %d is %s", number, domain);
}

static void set(int number)
{
    FILE *file = fopen("/proc/sys/kernel/msgmax", "w");
    CHECK(file && fprintf(file, "%d", largest_message + number) > 0 && fclose(file) == 0, "msgmax: %s", strerror(errno));
}

static void expect(const struct part *part)
{
    struct stat status;
    if (kinds[part->kind].flag == CLONE_NEWUTS) expect_mark(part->number);
    else CHECK(setting() == largest_message + part->number, "msgmax of %d is %ld", part->number, setting());
    MUST(fstat(part->descriptor, &status));
    CHECK(status.st_ino == own(kinds[part->kind].name), "the descriptor of %d is of another namespace", part->number);
}

static void stay(void *argument)
{
    const struct part *part = argument;
    const char *kind = kinds[part->kind].name;
    ino_t before = own(kind);
    child_ready();
    subject_await_check();
    if (part->number > 0) expect(part);
    else CHECK(own(kind) == before, "the %s namespace of the child is another", kind);
}

static void part(void *argument)
{
    struct part *part = argument;
    char path[64];
    MUST(unshare(kinds[part->kind].flag));
    if (part->number > 0) {
        if (kinds[part->kind].flag == CLONE_NEWUTS) mark(part->number);
        else set(part->number);
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[part->kind].name);
        part->descriptor = MUST(open(path, O_RDONLY | O_CLOEXEC));
    }
    // Who makes a pid or time namespace stays outside, and its children go there. In others both are.
    pid_t child = child_start(stay, part);
    child_ready();
    subject_await_check();
    if (part->number > 0) expect(part);
    child_expect(child, 0);
}

// What an ipc namespace holds, that is not carried within a tree.
static void fill(void *argument)
{
    const char *what = argument;
    MUST(unshare(CLONE_NEWIPC));
    if (strcmp(what, "queue") == 0) MUST(msgget(IPC_PRIVATE, 0600));
    else MUST(shmget(IPC_PRIVATE, 4096, 0600));
    child_ready();
    subject_await_check();
}

static void remain(void *argument)
{
    (void)argument;
    child_ready();
    subject_await_check();
}

void nested(int argc, char **argv)
{
    int kind = 0;
    CHECK(argc > 1, "a kind of namespaces is needed");
    while (kind < count && strcmp(kinds[kind].name, argv[1]) != 0) kind++;
    CHECK(kind < count, "%s is no kind of namespaces", argv[1]);
    const char *name = kinds[kind].name;
    int flag = kinds[kind].flag;
    if (argc > 2 && strcmp(argv[2], "outside") == 0) {
        // The child keeps the host's when its parent leaves that.
        pid_t child = child_start(remain, NULL);
        MUST(unshare(flag));
        subject_ready();
        subject_await_check();
        child_expect(child, 0);
        return;
    }
    if (argc > 2) {
        pid_t child = child_start(fill, argv[2]);
        subject_ready();
        subject_await_check();
        child_expect(child, 0);
        return;
    }
    ino_t before = own(name);
    int carried = flag == CLONE_NEWUTS || flag == CLONE_NEWIPC;
    char host[text_size];
    long value = setting();
    MUST(gethostname(host, sizeof host));
    struct part first = {kind, carried, -1}, second = {kind, 2, -1};
    pid_t child = child_start(part, &first), other = carried ? child_start(part, &second) : 0;
    subject_ready();
    subject_await_check();
    if (carried) {
        char now[text_size];
        MUST(gethostname(now, sizeof now));
        CHECK(strcmp(now, host) == 0 && setting() == value, "the root is called %s, its msgmax is %ld", now, setting());
        child_expect(other, 0);
    } else {
        CHECK(own(name) == before, "the %s namespace of the root is another", name);
    }
    child_expect(child, 0);
}
