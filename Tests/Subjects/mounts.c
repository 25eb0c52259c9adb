// Mounts of a namespace of the subject's own; see mount_namespaces(7). The caller has made the namespace.
#include "subject.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { line_size = 1024, most_lines = 256 };

struct table {
    int count;
    char lines[most_lines][line_size];
};

// Peer groups by the order in which they are met, as their numbers change.
struct groups {
    int count;
    int numbers[most_lines];
};

static int group_place(struct groups *groups, int number)
{
    for (int i = 0; i < groups->count; i++)
        if (groups->numbers[i] == number) return i;
    groups->numbers[groups->count] = number;
    return groups->count++;
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

// A row without its numbers: parent's mount point, mount point, root, options, groups, file system.
static void take_table(struct table *table)
{
    static struct {
        int id, parent;
        char root[300], point[300], options[200], tail[600];
    } rows[most_lines];
    struct groups groups = {0};
    int count = 0;
    char line[2048];
    FILE *file = fopen("/proc/self/mountinfo", "re");
    CHECK(file, "no mountinfo: %s", strerror(errno));
    while (fgets(line, sizeof line, file)) {
        CHECK(count < most_lines, "too many mounts");
        int used = 0;
        CHECK(sscanf(line, "%d %d %*s %299s %299s %199s %n", &rows[count].id, &rows[count].parent, rows[count].root,
                     rows[count].point, rows[count].options, &used) == 5,
              "odd row %s", line);
        char *tail = rows[count].tail;
        for (char *rest = line + used, *word; (word = strsep(&rest, " \n"));) {
            int number;
            if (sscanf(word, "shared:%d", &number) == 1)
                tail += sprintf(tail, " shared:%d", group_place(&groups, number));
            else if (sscanf(word, "master:%d", &number) == 1)
                tail += sprintf(tail, " master:%d", group_place(&groups, number));
            else if (strlen(word) < 200)
                tail += sprintf(tail, " %s", word);
        }
        count++;
    }
    fclose(file);
    table->count = count;
    for (int i = 0; i < count; i++) {
        const char *parent = "-";
        for (int k = 0; k < count; k++)
            if (rows[k].id == rows[i].parent) parent = rows[k].point;
        snprintf(table->lines[i], line_size, "%s on %s %s %s%s", rows[i].point, parent, rows[i].root, rows[i].options, rows[i].tail);
    }
    qsort(table->lines, (size_t)count, line_size, by_text);
}

static void compare(const struct table *before, const struct table *now)
{
    for (int i = 0; i < before->count && i < now->count; i++)
        CHECK(!strcmp(before->lines[i], now->lines[i]), "a mount was \"%s\", is \"%s\"", before->lines[i], now->lines[i]);
    CHECK(before->count == now->count, "there were %d mounts, are %d", before->count, now->count);
}

static void put(const char *path, const char *text)
{
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    MUST(write(fd, text, strlen(text)));
    MUST(close(fd));
}

static void expect(const char *path, const char *text)
{
    char buffer[64] = "";
    int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
    MUST(read(fd, buffer, sizeof buffer - 1));
    MUST(close(fd));
    CHECK(!strcmp(buffer, text), "%s holds \"%s\", not \"%s\"", path, buffer, text);
}

static void mount_at(const char *source, const char *point, const char *type, unsigned long flags, const char *options)
{
    MUST(mount(source, point, type, flags, options));
}

static void check_after(void)
{
    static struct table before, now;
    take_table(&before);
    subject_ready();
    subject_await_check();
    take_table(&now);
    compare(&before, &now);
}

// A tmpfs with files of each type, and what the process has of it: directory, open, mapped and deleted files.
static void contents(void)
{
    MUST(mkdir("t", 0755));
    mount_at("source", "t", "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=711");
    MUST(chdir("t"));
    put("file", "text");
    MUST(chown("file", 5, 6));
    MUST(link("file", "other"));
    MUST(symlink("file", "link"));
    MUST(mkfifo("fifo", 0600));
    MUST(mkdir("directory", 0700));
    MUST(chmod("directory", 01777));
    put("directory/inner", "deep");
    MUST(setxattr("file", "trusted.crplan", "value", 5, 0));
    int open_file = MUST(open("file", O_RDWR | O_CLOEXEC));
    MUST(lseek(open_file, 2, SEEK_SET));
    put("gone", "deleted");
    int deleted = MUST(open("gone", O_RDONLY | O_CLOEXEC));
    MUST(unlink("gone"));
    char *map = MUST((char *)mmap(NULL, 4096, PROT_READ, MAP_SHARED, open_file, 0));
    check_after();
    char here[300];
    CHECK(getcwd(here, sizeof here) && !strcmp(strrchr(here, '/'), "/t"), "the working directory is %s", here);
    expect("file", "text");
    expect("link", "text");
    expect("directory/inner", "deep");
    struct stat one, two;
    MUST(stat("file", &one));
    MUST(stat("other", &two));
    CHECK(one.st_ino == two.st_ino && one.st_uid == 5 && one.st_gid == 6 && one.st_mode == (S_IFREG | 0640), "the file has changed");
    MUST(stat("fifo", &one));
    CHECK(S_ISFIFO(one.st_mode), "the fifo has changed");
    MUST(stat("directory", &one));
    CHECK(one.st_mode == (S_IFDIR | 01777), "the directory has mode %o", one.st_mode);
    char value[8];
    CHECK(getxattr("file", "trusted.crplan", value, sizeof value) == 5, "the attribute is gone");
    CHECK(!strcmp(map, "text"), "the mapping shows another file");
    CHECK(lseek(open_file, 0, SEEK_CUR) == 2, "the offset has changed");
    MUST(pwrite(open_file, "T", 1, 0));
    expect("other", "Text");
    char buffer[16] = "";
    MUST(read(deleted, buffer, sizeof buffer));
    CHECK(!strcmp(buffer, "deleted"), "the deleted file holds %s", buffer);
}

// Binds of directories and files, of what is mounted below them too, and mounts over mounts.
static void binds(void)
{
    for (const char *names[] = {"t", "bind", "rbind", "over", NULL}, **name = names; *name; name++) MUST(mkdir(*name, 0755));
    mount_at("t", "t", "tmpfs", 0, "size=1m");
    MUST(mkdir("t/part", 0755));
    MUST(mkdir("t/inner", 0755));
    put("t/part/file", "part");
    put("t/single", "single");
    mount_at("i", "t/inner", "tmpfs", MS_NOEXEC, "size=64k");
    put("t/inner/file", "inner");
    mount_at("t/part", "bind", NULL, MS_BIND, NULL);
    mount_at(NULL, "bind", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
    mount_at("t", "rbind", NULL, MS_BIND | MS_REC, NULL);
    put("t/target", "");
    mount_at("t/single", "t/target", NULL, MS_BIND, NULL);
    mount_at("o1", "over", "tmpfs", 0, "size=64k");
    put("over/lower", "lower");
    mount_at("o2", "over", "tmpfs", 0, "size=64k");
    put("over/upper", "upper");
    int covered = MUST(open("over/upper", O_RDONLY | O_CLOEXEC));
    check_after();
    expect("bind/file", "part");
    CHECK(open("bind/new", O_WRONLY | O_CREAT, 0600) < 0 && errno == EROFS, "the bind can be written");
    expect("rbind/part/file", "part");
    expect("rbind/inner/file", "inner");
    expect("t/target", "single");
    expect("over/upper", "upper");
    CHECK(access("over/lower", F_OK) < 0, "the lower mount shows");
    MUST(close(covered));
    MUST(umount("over"));
    expect("over/lower", "lower");
}

// Shared, slave, private and unbindable mounts; what is mounted afterwards goes where it went.
static void propagation(void)
{
    for (const char *names[] = {"shared", "peer", "slave", "both", "private", "unbindable", NULL}, **name = names; *name; name++)
        MUST(mkdir(*name, 0755));
    mount_at("s", "shared", "tmpfs", 0, "size=1m");
    MUST(mkdir("shared/later", 0755));
    mount_at(NULL, "shared", NULL, MS_SHARED, NULL);
    mount_at("shared", "peer", NULL, MS_BIND, NULL);
    mount_at("shared", "slave", NULL, MS_BIND, NULL);
    mount_at(NULL, "slave", NULL, MS_SLAVE, NULL);
    mount_at("shared", "both", NULL, MS_BIND, NULL);
    mount_at(NULL, "both", NULL, MS_SLAVE, NULL);
    mount_at(NULL, "both", NULL, MS_SHARED, NULL);
    mount_at("shared", "private", NULL, MS_BIND, NULL);
    mount_at(NULL, "private", NULL, MS_PRIVATE, NULL);
    mount_at("u", "unbindable", "tmpfs", 0, "size=64k");
    mount_at(NULL, "unbindable", NULL, MS_UNBINDABLE, NULL);
    check_after();
    mount_at("l", "peer/later", "tmpfs", 0, "size=64k");
    put("peer/later/file", "later");
    for (const char *places[] = {"shared", "slave", "both", NULL}, **place = places; *place; place++) {
        char path[64];
        snprintf(path, sizeof path, "%s/later/file", *place);
        expect(path, "later");
    }
    CHECK(access("private/later/file", F_OK) < 0, "the private mount has received one");
    CHECK(mount("unbindable", "private", NULL, MS_BIND, NULL) < 0, "the unbindable mount can be bound");
}

// File systems of the kernel.
static void kernels(void)
{
    for (const char *names[] = {"proc", "sys", "pts", "queues", "groups", NULL}, **name = names; *name; name++) MUST(mkdir(*name, 0755));
    mount_at("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC, NULL);
    mount_at("sysfs", "sys", "sysfs", MS_RDONLY, NULL);
    mount_at("devpts", "pts", "devpts", MS_NOEXEC, "newinstance,mode=620,ptmxmode=666,gid=5");
    mount_at("mqueue", "queues", "mqueue", 0, NULL);
    mount_at("cgroup2", "groups", "cgroup2", 0, NULL);
    check_after();
    CHECK(access("sys/kernel", F_OK) == 0 && access("pts/ptmx", F_OK) == 0 && access("groups/cgroup.procs", F_OK) == 0, "a file system shows nothing");
}

// What the caller has mounted, with what commands of a shell show of it.
static void made(int count, char **commands)
{
    enum { most = 8 };
    char *before[most];
    CHECK(count <= most, "too many commands");
    for (int i = 0; i < count; i++) before[i] = view(commands[i]);
    check_after();
    for (int i = 0; i < count; i++) view_again(commands[i], before[i]);
}

static volatile sig_atomic_t is_asked;
static void ask(int signal)
{
    (void)signal;
    is_asked = 1;
}

static void jailed(void *argument)
{
    (void)argument;
    MUST(chroot("jail/root"));
    MUST(chdir("/inner"));
    int file = MUST(open("/inner/file", O_RDONLY | O_CLOEXEC));
    signal(SIGTERM, ask);
    child_ready();
    while (!is_asked) pause_ns(5000000);
    expect("file", "jailed");
    expect("/inner/file", "jailed");
    char byte;
    CHECK(read(file, &byte, 1) == 1 && byte == 'j', "the open file is another");
    _exit(7);
}

// A root that the process has changed to, with its working directory in it.
static void changed_root(void)
{
    MUST(mkdir("jail", 0755));
    mount_at("j", "jail", "tmpfs", 0, "size=64k");
    MUST(mkdir("jail/root", 0755));
    MUST(mkdir("jail/root/inner", 0755));
    put("jail/root/inner/file", "jailed");
    pid_t child = child_start(jailed, NULL);
    check_after();
    MUST(kill(child, SIGTERM));
    child_expect(child, 7 << 8);
}

void mount_tables(int argc, char **argv)
{
    CHECK(argc >= 2, "mounts needs a KIND");
    if (!strcmp(argv[1], "made")) return made(argc - 2, argv + 2);
    static const struct {
        const char *name;
        void (*run)(void);
    } kinds[] = {{"contents", contents}, {"binds", binds}, {"propagation", propagation}, {"kernels", kernels}, {"root", changed_root}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(argv[1], kinds[i].name)) return kinds[i].run();
    subject_fail("no such kind: %s", argv[1]);
}
