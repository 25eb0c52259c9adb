#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void touch(const char *path)
{
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK(write(fd, "x", 1) == 1, "write: %s", strerror(errno));
    close(fd);
}

static int unread(int fd)
{
    int bytes = -1;
    MUST(ioctl(fd, FIONREAD, &bytes));
    return bytes;
}

static void expect_event(int fd, int watch, uint32_t mask, const char *name, const char *what)
{
    char buffer[4096] __attribute__((aligned(8)));
    // No more than one: names of less than 16 bytes take 16.
    ssize_t length = read(fd, buffer, sizeof(struct inotify_event) + (name ? 16 : 0));
    CHECK(length > 0, "%s: no event: %s", what, strerror(errno));
    const struct inotify_event *event = (const void *)buffer;
    CHECK(event->wd == watch && event->mask & mask, "%s: watch %d with %x, not %d with %x", what, event->wd,
          event->mask, watch, mask);
    if (name) CHECK(event->len && strcmp(event->name, name) == 0, "%s: name %s", what, event->len ? event->name : "");
}

struct instance {
    int fd, empty, set, directory, file, once, link;
};

static void read_all(int fd)
{
    char buffer[1 << 16];
    while (read(fd, buffer, sizeof buffer) > 0) continue;
}

// devpts gives no handle that can be opened; such a file is found by its path alone.
static void unnamed(void)
{
    int fd = MUST(inotify_init1(IN_NONBLOCK)), master;
    int watch = MUST(inotify_add_watch(fd, "/dev/pts", IN_CREATE));
    subject_ready();
    subject_await_check();
    CHECK(unread(fd) == 0, "%d bytes of events from nowhere", unread(fd));
    master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
    MUST(grantpt(master));
    char buffer[4096] __attribute__((aligned(8)));
    const struct inotify_event *event = (const void *)buffer;
    CHECK(read(fd, buffer, sizeof buffer) > 0 && event->wd == watch, "no event of a new terminal");
}

static struct instance inotify_set(bool has_link)
{
    struct instance it;
    MUST(mkdir("notify.directory", 0700));
    MUST(symlink("notify.file", "notify.link"));
    touch("notify.file");
    it.fd = MUST(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    it.empty = MUST(inotify_init1(0));
    // Numbers with holes, as after some watches have come and gone.
    for (int i = 0; i < 40; i++) MUST(inotify_rm_watch(it.fd, MUST(inotify_add_watch(it.fd, "/", IN_CREATE))));
    it.directory = MUST(inotify_add_watch(it.fd, "notify.directory", IN_CREATE | IN_DELETE | IN_EXCL_UNLINK));
    MUST(inotify_rm_watch(it.fd, MUST(inotify_add_watch(it.fd, "/", IN_CREATE))));
    it.file = MUST(inotify_add_watch(it.fd, "notify.file", IN_CLOSE_WRITE));
    MUST(mkdir("notify.shot", 0700));
    it.once = MUST(inotify_add_watch(it.fd, "notify.shot", IN_CREATE | IN_ONESHOT | IN_ONLYDIR));
    it.link = !has_link ? -1 : MUST(inotify_add_watch(it.fd, "notify.link", IN_ATTRIB | IN_DONT_FOLLOW));
    it.set = MUST(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event ready = {.events = EPOLLIN, .data.u64 = 9};
    MUST(epoll_ctl(it.set, EPOLL_CTL_ADD, it.fd, &ready));
    // A deleted file in a watched directory, which a restore makes again and unlinks.
    int deleted = MUST(open("notify.directory/deleted", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    CHECK(write(deleted, "x", 1) == 1, "write: %s", strerror(errno));
    MUST(unlink("notify.directory/deleted"));
    read_all(it.fd);
    return it;
}

static void inotify_check(struct instance it)
{
    struct epoll_event ready;
    CHECK(unread(it.fd) == 0 && unread(it.empty) == 0, "%d and %d bytes of events from nowhere", unread(it.fd),
          unread(it.empty));
    CHECK(fcntl(it.fd, F_GETFL) & O_NONBLOCK && fcntl(it.fd, F_GETFD) == FD_CLOEXEC, "flags are gone");
    CHECK(MUST(epoll_wait(it.set, &ready, 1, 0)) == 0, "an instance without events is ready");
    touch("notify.directory/new");
    CHECK(MUST(epoll_wait(it.set, &ready, 1, 0)) == 1 && ready.data.u64 == 9, "a set does not see the instance");
    expect_event(it.fd, it.directory, IN_CREATE, "new", "directory");
    touch("notify.file");
    expect_event(it.fd, it.file, IN_CLOSE_WRITE, NULL, "file");
    touch("notify.shot/new");
    expect_event(it.fd, it.once, IN_CREATE, "new", "one-shot");
    expect_event(it.fd, it.once, IN_IGNORED, NULL, "end of one-shot");
    touch("notify.shot/other");
    CHECK(unread(it.fd) == 0, "a one-shot watch fires twice");
    MUST(unlink("notify.link"));
    if (it.link != -1) expect_event(it.fd, it.link, IN_ATTRIB, NULL, "link");
}

static int group;

static void fanotify_set(void)
{
    touch("notify.marked");
    MUST(mkdir("notify.ignored", 0700));
    touch("notify.ignored/file");
    group = MUST(fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY | O_LARGEFILE));
    MUST(fanotify_mark(group, FAN_MARK_ADD, FAN_MODIFY | FAN_CLOSE_WRITE, AT_FDCWD, "notify.marked"));
    MUST(fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD | FAN_ONDIR, AT_FDCWD, "notify.ignored"));
    MUST(fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN, AT_FDCWD,
                       "notify.ignored/file"));
}

static void fanotify_check(void)
{
    char buffer[4096] __attribute__((aligned(8)));
    CHECK(unread(group) == 0, "%d bytes of events from nowhere", unread(group));
    CHECK(fcntl(group, F_GETFL) & O_NONBLOCK, "O_NONBLOCK is gone");
    close(MUST(open("notify.ignored/file", O_RDONLY)));
    CHECK(unread(group) == 0, "an ignored file gives an event");
    touch("notify.marked");
    ssize_t length = read(group, buffer, sizeof buffer);
    const struct fanotify_event_metadata *event = (const void *)buffer;
    CHECK(length > 0 && FAN_EVENT_OK(event, length), "no event of a marked file: %s", strerror(errno));
    CHECK(event->mask & (FAN_MODIFY | FAN_CLOSE_WRITE), "mask %llx", (unsigned long long)event->mask);
    struct stat marked, told;
    MUST(stat("notify.marked", &marked));
    MUST(fstat(event->fd, &told));
    CHECK(marked.st_ino == told.st_ino, "the event is of another file");
    CHECK(!(fcntl(event->fd, F_GETFL) & O_ACCMODE), "the event's descriptor has other flags");
}

// `notify fanotify` has a fanotify group and needs root; else inotify instances, with `notify link` one that watches a
// symbolic link itself, with `notify deleted` one that watches a file without a name, which a policy may drop;
// `notify unnamed` watches a directory that no file handle leads to.
void notify(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "fanotify") == 0) {
        fanotify_set();
        subject_ready();
        subject_await_check();
        fanotify_check();
        return;
    }
    if (argc > 1 && strcmp(argv[1], "unnamed") == 0) {
        unnamed();
        return;
    }
    struct instance it = inotify_set(argc > 1 && strcmp(argv[1], "link") == 0);
    if (argc > 1 && strcmp(argv[1], "deleted") == 0) {
        int fd = MUST(open("notify.deleted", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        MUST(inotify_add_watch(it.fd, "notify.deleted", IN_MODIFY));
        MUST(unlink("notify.deleted"));
        MUST(fcntl(fd, F_GETFD));
    }
    subject_ready();
    subject_await_check();
    inotify_check(it);
}
