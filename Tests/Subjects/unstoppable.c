#include "subject.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A thread in vfork(2) waits for its child so that nothing but the child's end, its exec or SIGKILL ends the wait: no
// tracer can stop it. The child has memory of its own.
static volatile pid_t waiting;
static pid_t child;

static void *wait_for_child(void *argument)
{
    (void)argument;
    __atomic_store_n(&waiting, gettid(), __ATOMIC_RELEASE);
    long made = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);
    if (made == 0) {
        subject_await_check();
        _exit(3);
    }
    child = (pid_t)made;
    return NULL;
}

void unstoppable(int argc, char **argv)
{
    pthread_t thread;
    (void)argc, (void)argv;
    CHECK(pthread_create(&thread, NULL, wait_for_child, NULL) == 0, "pthread_create");
    await_flag((volatile int *)&waiting);
    await_blocked_in(waiting, SYS_clone);
    subject_ready();
    CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
    child_expect(child, 3 << 8);
}
