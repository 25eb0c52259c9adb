// A pid namespace for the children to come of a process that has none: nothing in the tree is in it, and it has no init.
#include "subject.h"

#include <sched.h>
#include <unistd.h>

// The kernel names a namespace without an init nowhere.
static bool is_named(void)
{
    char link[64];
    if (readlink("/proc/self/ns/pid_for_children", link, sizeof link) >= 0) return true;
    CHECK(errno == ENOENT, "pid_for_children: %s", strerror(errno));
    return false;
}

void unborn(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    MUST(unshare(CLONE_NEWPID));
    CHECK(!is_named(), "the namespace has an init");
    subject_ready();
    subject_await_check();
    CHECK(!is_named(), "children come into the namespace of the root");
}
