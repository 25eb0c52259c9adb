// Descriptors of open(2) with O_PATH, of each type of file, named and deleted; and files of O_TMPFILE.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { file, directory, link_itself, node, fifo, gone, gone_directory, one_way_or_another, device, multiplexer, terminal,
    attribute, count };
static const char *const names[count] = {"pathonly-file", "pathonly-dir", "pathonly-link", "pathonly-socket", "pathonly-fifo",
    "pathonly-gone", "pathonly-gone-dir", "pathonly-other", "/dev/null", "/dev/ptmx", "/dev/tty", "/sys/kernel/mm/transparent_hugepage/enabled"};

static void make(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, names[node]);
    int bound = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST(bind(bound, (struct sockaddr *)&address, sizeof address));
    close(bound);
    for (int i = 0; i < count; i++) {
        if (i == file || i == gone || i == one_way_or_another) close(MUST(open(names[i], O_CREAT | O_RDWR, 0644)));
    }
    MUST(mkdir(names[directory], 0755));
    MUST(mkdir(names[gone_directory], 0700));
    // It leads nowhere, so whoever follows it finds nothing.
    MUST(symlink("nowhere", names[link_itself]));
    MUST(mkfifo(names[fifo], 0600));
}

// `common` leaves out what stock criu cannot carry.
void pathonly(int argc, char **argv)
{
    bool common = argc == 2 && strcmp(argv[1], "common") == 0;
    int fds[count];
    struct stat before[count], now;
    make();
    for (int i = 0; i < count; i++) {
        fds[i] = -1;
        if (common && (i == node || i == fifo || i == multiplexer || i == terminal)) continue;
        fds[i] = open(names[i], O_PATH | (i == link_itself ? O_NOFOLLOW : 0));
        CHECK(fds[i] >= 0, "%s: %s", names[i], strerror(errno));
    }
    MUST(unlink(names[gone]));
    MUST(rmdir(names[gone_directory]));
    // Of one file, opened both ways.
    int opened = MUST(open(names[one_way_or_another], O_RDWR));
    int linkable = -1, never = -1;
    if (!common) {
        linkable = MUST(open(".", O_TMPFILE | O_RDWR, 0640));
        never = MUST(open(".", O_TMPFILE | O_EXCL | O_WRONLY, 0600));
        CHECK(write(linkable, "linkable", 8) == 8 && write(never, "never", 5) == 5, "write: %s", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        if (fds[i] >= 0) MUST(fstat(fds[i], &before[i]));
    }

    subject_ready();
    subject_await_check();

    for (int i = 0; i < count; i++) {
        if (fds[i] < 0) continue;
        bool lives_on = i != gone && i != gone_directory;
        MUST(fstat(fds[i], &now));
        CHECK(now.st_mode == before[i].st_mode && now.st_nlink == before[i].st_nlink, "%s: mode %o, %d names", names[i], now.st_mode, (int)now.st_nlink);
        CHECK(!lives_on || (now.st_ino == before[i].st_ino && now.st_dev == before[i].st_dev), "%s: another file", names[i]);
        CHECK(fcntl(fds[i], F_GETFL) & O_PATH, "%s: it is open", names[i]);
        CHECK(lseek(fds[i], 0, SEEK_CUR) == -1 && errno == EBADF, "%s: it can be read", names[i]);
    }
    char target[16] = "";
    CHECK(readlinkat(fds[link_itself], "", target, sizeof target) == 7 && memcmp(target, "nowhere", 7) == 0, "the link leads to %s", target);
    MUST(fstat(opened, &now));
    CHECK(now.st_ino == before[one_way_or_another].st_ino, "open it is another file");
    int beside = openat(fds[directory], "new", O_CREAT | O_RDWR, 0644);
    CHECK(beside >= 0 && unlinkat(fds[directory], "new", 0) == 0, "the directory: %s", strerror(errno));
    if (common) return;
    MUST(fstat(never, &now));
    CHECK(now.st_size == 5 && now.st_nlink == 0 && lseek(never, 0, SEEK_CUR) == 5, "the file of O_EXCL is another one");
    char path[64], text[8];
    snprintf(path, sizeof path, "/proc/self/fd/%d", linkable);
    CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "pathonly-linked", AT_SYMLINK_FOLLOW) == 0, "linkat: %s", strerror(errno));
    MUST(unlink("pathonly-linked"));
    CHECK(pread(linkable, text, 8, 0) == 8 && memcmp(text, "linkable", 8) == 0, "the nameless file has other bytes");
}
