// A child that has a namespace of its own within the tree: nothing that is carried.
#include "subject.h"

#include <sched.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    int flag;
} kinds[] = {{"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET}, {"mnt", CLONE_NEWNS}, {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC},
             {"cgroup", CLONE_NEWCGROUP}, {"user", CLONE_NEWUSER}, {"time", 0x80}};
enum { count = sizeof kinds / sizeof kinds[0] };

static ino_t own(const char *kind)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    MUST(stat(path, &status));
    return status.st_ino;
}

static void stay(const char *kind)
{
    ino_t before = own(kind);
    child_ready();
    subject_await_check();
    CHECK(own(kind) == before, "the %s namespace of the child is another", kind);
}

static void part(void *argument)
{
    int kind = *(int *)argument;
    MUST(unshare(kinds[kind].flag));
    // Who makes a pid or time namespace stays outside, and its children go there. In others both are.
    pid_t child = MUST(fork());
    if (child == 0) {
        MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
        stay(kinds[kind].name);
        _exit(0);
    }
    child_expect(child, 0);
}

void nested(int argc, char **argv)
{
    int kind = 0;
    CHECK(argc == 2, "a kind of namespaces is needed");
    while (kind < count && strcmp(kinds[kind].name, argv[1]) != 0) kind++;
    CHECK(kind < count, "%s is no kind of namespaces", argv[1]);
    ino_t before = own(kinds[kind].name);
    pid_t child = child_start(part, &kind);
    subject_ready();
    subject_await_check();
    CHECK(own(kinds[kind].name) == before, "the %s namespace of the root is another", kinds[kind].name);
    child_expect(child, 0);
}
