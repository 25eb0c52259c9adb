#include "subject.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

// What a task is in its tree; taken before and after, and compared.
struct place {
    pid_t pid, parent, group, session;
};

static struct place own_place(void)
{
    return (struct place){getpid(), getppid(), getpgrp(), getsid(0)};
}

// Says ready, waits, and fails unless this task still has its place. The root's parent may change: `rooted`.
static void stay(bool rooted)
{
    struct place before = own_place();
    if (rooted) subject_ready();
    else child_ready();
    subject_await_check();
    struct place now = own_place();
    CHECK(now.pid == before.pid, "pid was %d, is %d", before.pid, now.pid);
    CHECK(rooted || now.parent == before.parent, "parent was %d, is %d", before.parent, now.parent);
    CHECK(now.group == before.group, "process group was %d, is %d", before.group, now.group);
    CHECK(now.session == before.session, "session was %d, is %d", before.session, now.session);
}

static void leaf(void *argument)
{
    (void)argument;
    stay(false);
}

static pid_t zombie(int exit_code, int signal)
{
    pid_t child = MUST(fork());
    if (child == 0) {
        if (signal) raise(signal);
        _exit(exit_code);
    }
    siginfo_t info;
    MUST(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
    return child;
}

// The third generation: a group of its own with a member, and two zombies.
static void grouped(void *argument)
{
    (void)argument;
    MUST(setpgid(0, 0));
    pid_t member = child_start(leaf, NULL);
    pid_t ended = zombie(7, 0), killed = zombie(0, SIGKILL), terminated = zombie(0, SIGTERM);
    stay(false);
    child_expect(ended, 7 << 8);
    child_expect(killed, SIGKILL);
    child_expect(terminated, SIGTERM);
    child_expect(member, 0);
}

// A session of its own. One child was born before setsid(2), so it stays in the parent's session.
static void session_leader(void *argument)
{
    (void)argument;
    pid_t born_before = child_start(leaf, NULL);
    MUST(setsid());
    pid_t born_after = child_start(leaf, NULL);
    pid_t group = child_start(grouped, NULL);
    stay(false);
    child_expect(born_before, 0);
    child_expect(born_after, 0);
    child_expect(group, 0);
}

void tree(int argc, char **argv)
{
    (void)argc, (void)argv;
    pid_t session = child_start(session_leader, NULL);
    pid_t group = child_start(grouped, NULL);
    pid_t simple = child_start(leaf, NULL);
    stay(true);
    child_expect(session, 0);
    child_expect(group, 0);
    child_expect(simple, 0);
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD, "the tree has a child more than before");
}
