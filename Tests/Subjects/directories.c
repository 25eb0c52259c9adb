#include "subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_link(int fd, const char *wanted)
{
    char path[64], link[PATH_MAX + 32];
    if (fd < 0) snprintf(path, sizeof path, "/proc/self/cwd");
    else snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = MUST(readlink(path, link, sizeof link - 1));
    link[length] = 0;
    CHECK(strcmp(link, wanted) == 0, "%s was %s, is %s", path, wanted, link);
}

static void read_link(int fd, char *link, size_t size)
{
    char path[64];
    if (fd < 0) snprintf(path, sizeof path, "/proc/self/cwd");
    else snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = MUST(readlink(path, link, size - 1));
    link[length] = 0;
}

static void expect_removed(int fd, mode_t mode)
{
    struct stat status;
    MUST(fstat(fd, &status));
    CHECK(S_ISDIR(status.st_mode) && (status.st_mode & 07777) == mode, "mode is %o", status.st_mode);
    CHECK(status.st_uid == 12 && status.st_gid == 34, "owner is %u:%u", status.st_uid, status.st_gid);
    CHECK(status.st_nlink == 0, "the directory has %lu links", (unsigned long)status.st_nlink);
    CHECK(openat(fd, "new", O_WRONLY | O_CREAT, 0600) == -1 && errno == ENOENT, "a file in a removed directory: %s",
          strerror(errno));
}

// Removed directories: one that is open, one inside of it, one that a path leads to again, and the working directory.
void directories(int argc, char **argv)
{
    (void)argc, (void)argv;
    static char links[4][PATH_MAX + 32];
    int open_directories[3];
    static const char *const names[] = {"outer", "outer/inner", "again"};
    for (int i = 0; i < 3; i++) {
        MUST(mkdir(names[i], 0700));
        MUST(chown(names[i], 12, 34));
        MUST(chmod(names[i], 0751));
        open_directories[i] = MUST(open(names[i], O_RDONLY | O_DIRECTORY));
    }
    char start[PATH_MAX];
    CHECK(getcwd(start, sizeof start), "getcwd: %s", strerror(errno));
    int home = MUST(open(".", O_PATH | O_DIRECTORY));
    MUST(mkdir("left", 0755));
    MUST(chdir("left"));
    MUST(unlinkat(home, "left", AT_REMOVEDIR));
    MUST(unlinkat(home, "outer/inner", AT_REMOVEDIR));
    MUST(unlinkat(home, "outer", AT_REMOVEDIR));
    MUST(unlinkat(home, "again", AT_REMOVEDIR));
    for (int i = 0; i < 3; i++) read_link(open_directories[i], links[i], sizeof links[i]);
    read_link(-1, links[3], sizeof links[3]);

    subject_ready();
    subject_await_check();

    for (int i = 0; i < 3; i++) {
        expect_link(open_directories[i], links[i]);
        expect_removed(open_directories[i], 0751);
    }
    expect_link(-1, links[3]);
    char now[PATH_MAX];
    CHECK(!getcwd(now, sizeof now) && errno == ENOENT, "the working directory has a name: %s", now);
    DIR *listing = fdopendir(MUST(openat(home, ".", O_RDONLY | O_DIRECTORY)));
    CHECK(listing, "fdopendir: %s", strerror(errno));
    for (struct dirent *entry; (entry = readdir(listing));)
        for (int i = 0; i < 3; i++)
            CHECK(strncmp(entry->d_name, names[i], strlen(names[i])) != 0, "%s is there", entry->d_name);
    closedir(listing);
}
