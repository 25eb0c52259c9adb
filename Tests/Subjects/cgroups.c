#include "subject.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// A group of ours in each hierarchy that has one of these files, and what the file is set to.
static const struct {
    const char *controller, *file, *value;
} wanted[] = {{"pids", "pids.max", "77"}, {"cpu", "cpu.shares", "512"}, {"", "cgroup.max.depth", "7"}, {"freezer", NULL, NULL}};
enum { kinds = sizeof wanted / sizeof wanted[0] };

static char mounts[kinds][PATH_MAX], home[64];

static void write_text(const char *path, const char *text)
{
    int fd = MUST(open(path, O_WRONLY | O_CLOEXEC));
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %s", path, strerror(errno));
    close(fd);
}

// Mount points of v1 controllers, and of the unified hierarchy under the name "".
static void find_mounts(void)
{
    char line[4096], place[PATH_MAX], type[64], options[1024];
    FILE *file = fopen("/proc/self/mounts", "r");
    CHECK(file, "/proc/self/mounts: %s", strerror(errno));
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%*s %4095s %63s %1023s", place, type, options) != 3) continue;
        for (int i = 0; i < kinds; i++) {
            if (strcmp(type, "cgroup2") == 0 && !*wanted[i].controller) snprintf(mounts[i], PATH_MAX, "%s", place);
            if (strcmp(type, "cgroup") != 0 || !*wanted[i].controller) continue;
            for (char *word = strtok(strdup(options), ","); word; word = strtok(NULL, ","))
                if (strcmp(word, wanted[i].controller) == 0) snprintf(mounts[i], PATH_MAX, "%s", place);
        }
    }
    fclose(file);
}

static const char *in_group(int kind, const char *below, const char *name)
{
    static char path[3 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s%s%s%s", mounts[kind], home, below, *name ? "/" : "", name);
    return path;
}

static void own_groups(char *text, size_t size)
{
    int fd = MUST(open("/proc/thread-self/cgroup", O_RDONLY | O_CLOEXEC));
    size_t length = 0;
    for (ssize_t got; (got = read(fd, text + length, size - 1 - length)) > 0;) length += (size_t)got;
    text[length] = 0;
    close(fd);
}

static void enter(int kind, const char *below, const char *list)
{
    char id[32];
    snprintf(id, sizeof id, "%d", gettid());
    write_text(in_group(kind, below, list), id);
}

// The caller's namespace is a sandbox, whose roots are its groups of now; see cgroup_namespaces(7).
static bool is_namespace;

// What is seen from inside is this group, and nothing of where it is.
static void expect_inside(const char *group)
{
    char text[4096], line[PATH_MAX];
    if (!is_namespace) return;
    own_groups(text, sizeof text);
    CHECK(!strstr(text, home), "the groups are seen as from outside: %s", text);
    for (int i = 0; i < kinds; i++) {
        if (!*mounts[i]) continue;
        snprintf(line, sizeof line, "%s:%s\n", wanted[i].controller, group);
        CHECK(strstr(text, line), "%s is missing from %s", line, text);
    }
}

static void leave(void)
{
    for (int i = 0; i < kinds; i++) {
        char path[PATH_MAX + 32], id[32];
        if (!*mounts[i]) continue;
        snprintf(path, sizeof path, "%s/cgroup.procs", mounts[i]);
        snprintf(id, sizeof id, "%d", getpid());
        write_text(path, id);
    }
}

static volatile int thread_ready, thread_go;

// Of v1 each thread may be in a group of its own.
static void *in_other_group(void *argument)
{
    char before[4096], now[4096];
    if (*mounts[1]) enter(1, "/inner", "tasks");
    own_groups(before, sizeof before);
    thread_ready = 1;
    while (!thread_go) pause_ns(2000000);
    own_groups(now, sizeof now);
    CHECK(strcmp(before, now) == 0, "the groups of the thread were %s, are %s", before, now);
    return argument;
}

static void inner(void *argument)
{
    (void)argument;
    char before[4096], now[4096];
    for (int i = 0; i < kinds; i++)
        if (*mounts[i]) enter(i, "/inner", "cgroup.procs");
    expect_inside("/inner");
    own_groups(before, sizeof before);
    CHECK(strstr(before, "/inner"), "the groups are %s", before);
    child_ready();
    subject_await_check();
    own_groups(now, sizeof now);
    CHECK(strcmp(before, now) == 0, "the groups were %s, are %s", before, now);
    expect_inside("/inner");
    leave();
}

void cgroups(int argc, char **argv)
{
    char before[4096], now[4096], value[64];
    is_namespace = argc > 1 && strcmp(argv[1], "namespace") == 0;
    find_mounts();
    // The number outside, where /proc is that of outside: 1 is everybody's.
    char self[32];
    ssize_t length = MUST(readlink("/proc/self", self, sizeof self - 1));
    self[length] = 0;
    snprintf(home, sizeof home, "crplan-test-%s", self);
    for (int i = 0; i < kinds; i++) {
        if (!*mounts[i]) continue;
        MUST(mkdir(in_group(i, "", ""), 0755));
        MUST(mkdir(in_group(i, "/inner", ""), 0700));
        if (wanted[i].file) write_text(in_group(i, "", wanted[i].file), wanted[i].value);
        enter(i, "", "cgroup.procs");
    }
    own_groups(before, sizeof before);
    CHECK(strstr(before, home), "the groups are %s", before);
    if (is_namespace) {
        MUST(unshare(CLONE_NEWCGROUP));
        own_groups(before, sizeof before);
        expect_inside("/");
    }
    pid_t child = child_start(inner, NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_other_group, NULL) == 0, "pthread_create");
    await_flag(&thread_ready);
    subject_ready();
    subject_await_check();
    own_groups(now, sizeof now);
    CHECK(strcmp(before, now) == 0, "the groups were %s, are %s", before, now);
    expect_inside("/");
    child_expect(child, 0);
    thread_go = 1;
    pthread_join(thread, NULL);
    struct stat status;
    for (int i = 0; i < kinds; i++) {
        if (!*mounts[i]) continue;
        MUST(stat(in_group(i, "/inner", ""), &status));
        CHECK((status.st_mode & 07777) == 0700, "%s has mode %o", in_group(i, "/inner", ""), status.st_mode);
        if (!wanted[i].file) continue;
        int fd = MUST(open(in_group(i, "", wanted[i].file), O_RDONLY));
        length = read(fd, value, sizeof value - 1);
        value[length > 0 ? length - 1 : 0] = 0;
        close(fd);
        CHECK(strcmp(value, wanted[i].value) == 0, "%s is %s", wanted[i].file, value);
    }
    leave();
    for (int i = 0; i < kinds; i++) {
        if (!*mounts[i]) continue;
        rmdir(in_group(i, "/inner", ""));
        rmdir(in_group(i, "", ""));
    }
}
