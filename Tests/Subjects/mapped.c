// Runs a program in a user namespace of its own, as unshare(1) does for other kinds; that one's maps need newuidmap(1).
#include "subject.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char many[] = "0 100000 65536\n70000 300000 1000\n";
// No root: an ordinary user is all that there is.
static const char ordinary[] = "1000 100000 1000\n";
static const char *maps = many;
static uid_t first = 0;

static const struct {
    const char *name;
    uint64_t flag;
} kinds[] = {
    {"--user", CLONE_NEWUSER}, {"--pid", CLONE_NEWPID}, {"--mount", CLONE_NEWNS}, {"--net", CLONE_NEWNET},
    {"--uts", CLONE_NEWUTS},   {"--ipc", CLONE_NEWIPC}, {"--cgroup", CLONE_NEWCGROUP},
};

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(125);
}

static void write_map(pid_t child, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", child, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, maps, strlen(maps)) != (ssize_t)strlen(maps) || close(fd)) give_up(path);
}

static _Noreturn void be_root(int mapped, uint64_t flags, int dies, char **words)
{
    char byte;
    if (read(mapped, &byte, 1) != 1) exit(125);
    close(mapped);
    if (setgroups(0, 0) || setresgid(first, first, first) || setresuid(first, first, first)) give_up("ids");
    if (dies && prctl(PR_SET_PDEATHSIG, SIGKILL)) give_up("PR_SET_PDEATHSIG");
    if (flags & CLONE_NEWNS && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0)) give_up("private mounts");
    execv(words[0], words);
    give_up(words[0]);
}

int run_mapped(char **words)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    int dies = 0, mapped[2], status;

    for (; *words && strncmp(*words, "--", 2) == 0; words++) {
        if (strcmp(*words, "--kill-child") == 0) dies = 1;
        if (strcmp(*words, "--ordinary") == 0) {
            maps = ordinary;
            first = 1000;
        }
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if (strcmp(*words, kinds[i].name) == 0) arguments.flags |= kinds[i].flag;
    }
    if (!*words || pipe2(mapped, O_CLOEXEC)) give_up("pipe");
    pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0) give_up("clone3");
    if (child == 0) {
        close(mapped[1]);
        be_root(mapped[0], arguments.flags, dies, words);
    }
    close(mapped[0]);
    write_map(child, "gid_map");
    write_map(child, "uid_map");
    if (write(mapped[1], "", 1) != 1) give_up("pipe");
    close(mapped[1]);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) give_up("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
