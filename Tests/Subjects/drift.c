// A parent and a child with an open and mapped file. Asked to, one of them changes one thing of what a saved plan is
// checked against; then both wait to be killed.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

static const size_t file_size = 8192;
static int data_fd;
static char *data_map;

static int open_data(const char *path)
{
    int fd = MUST(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    MUST(ftruncate(fd, file_size));
    return fd;
}
static char *map_data(int fd) { return MUST((char *)mmap(NULL, file_size, PROT_READ, MAP_SHARED, fd, 0)); }

static void change_nothing(void)
{
    // Anonymous memory and the place in a file change all the time in any program, and are no drift.
    char *memory = MUST((char *)mmap(NULL, file_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memory[0] = 1;
    MUST(lseek(data_fd, 100, SEEK_SET));
}
static void change_program(void)
{
    subject_changed();
    char *arguments[] = {"sleep", "86400", NULL}, *environment[] = {NULL};
    MUST(execve("/bin/sleep", arguments, environment));
}
static void change_session(void) { MUST(setsid()); }
static void change_by_open(void) { MUST(open("/etc/passwd", O_RDONLY)); }
static void change_by_close(void) { MUST(close(data_fd)); }
static void change_close_on_exec(void) { MUST(fcntl(data_fd, F_SETFD, 0)); }
static void change_by_reopen(void)
{
    // The same number and the same path, and another file.
    MUST(unlink("drift.data"));
    MUST(dup3(open_data("drift.data"), data_fd, O_CLOEXEC));
    for (int fd = data_fd + 1; fd < data_fd + 4; fd++) close(fd);
}
static void change_by_map(void)
{
    int fd = open_data("drift.other");
    map_data(fd);
    MUST(close(fd));
}
static void change_by_unmap(void) { MUST(munmap(data_map, file_size)); }
static void change_by_fork(void)
{
    if (MUST(fork()) == 0)
        for (;;) pause();
}
static void change_by_exit(void)
{
    subject_changed();
    _exit(0);
}

static const struct kind {
    const char *name;
    void (*change)(void);
    bool in_child;
} kinds[] = {
    {"nothing", change_nothing, false}, {"program", change_program, false},
    {"child-program", change_program, true}, {"session", change_session, true},
    {"open", change_by_open, false}, {"child-open", change_by_open, true}, {"close", change_by_close, false},
    {"close-on-exec", change_close_on_exec, false}, {"reopen", change_by_reopen, false},
    {"map", change_by_map, false}, {"child-map", change_by_map, true}, {"unmap", change_by_unmap, false},
    {"fork", change_by_fork, false}, {"exit", change_by_exit, true},
};

static void await_and_change(const struct kind *kind, bool in_child)
{
    subject_await_check();
    if (kind->in_child == in_child) {
        kind->change();
        subject_changed();
    }
    for (;;) pause();
}

static void child(void *kind)
{
    MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
    child_ready();
    await_and_change(kind, true);
}

void drift(int argc, char **argv)
{
    const struct kind *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (argc == 2 && strcmp(argv[1], kinds[i].name) == 0) kind = &kinds[i];
    CHECK(kind, "usage: drift KIND, see drift.c");
    data_fd = open_data("drift.data");
    data_map = map_data(data_fd);
    child_start(child, (void *)kind);
    subject_ready();
    await_and_change(kind, false);
}
