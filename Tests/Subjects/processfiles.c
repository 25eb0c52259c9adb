#include "subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Files of /proc/PID: of a process itself, of its parent, child and thread, read half, to be written, on their way in a message,
// as directories and as mere names.
static volatile int secret = 4711;
static volatile int thread_stays = 1;
static pid_t thread_id;
static int thread_is_there;

static int open_of(const char *what, int flags, const char *format, pid_t id)
{
    char path[128];
    int length = snprintf(path, sizeof path, format, id);
    snprintf(path + length, sizeof path - (size_t)length, "%s", what);
    int fd = open(path, flags);
    CHECK(fd >= 0, "%s: %s", path, strerror(errno));
    return fd;
}

// Whether the text of a file, from its start, has a line that begins so.
static void expect_line(int fd, const char *line, const char *what)
{
    char text[65536], wanted[128];
    ssize_t length = MUST(pread(fd, text + 1, sizeof text - 2, 0));
    text[0] = '\n';
    text[length + 1] = 0;
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    CHECK(strstr(text, wanted), "%s has no line \"%s\": %.300s", what, line, text);
}

static void expect_mapping(int fd, const char *what)
{
    FILE *file = fdopen(dup(fd), "r");
    CHECK(file && fseek(file, 0, SEEK_SET) == 0, "%s: %s", what, strerror(errno));
    char line[512];
    uintptr_t start, end, wanted = (uintptr_t)&secret;
    bool found = false;
    while (fgets(line, sizeof line, file))
        found |= sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= wanted && wanted < end;
    CHECK(found, "%s does not show our own memory", what);
    fclose(file);
}

static void *stay(void *unused)
{
    (void)unused;
    MUST(pthread_setname_np(pthread_self(), "second"));
    __atomic_store_n(&thread_id, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    __atomic_store_n(&thread_is_there, 1, __ATOMIC_SEQ_CST);
    while (thread_stays) pause_ns(20000000);
    return NULL;
}

// A child, without rights unless it is to keep them, holds its own files and one of its parent that it could not open itself any more.
static void hold_in_child(void *keeps_rights)
{
    int parent = open_of("environ", O_RDONLY, "/proc/%d/", getppid());
    if (!*(bool *)keeps_rights) {
        MUST(syscall(SYS_setresgid, 65534, 65534, 65534));
        MUST(syscall(SYS_setresuid, 65534, 65534, 65534));
    }
    int own = MUST(open("/proc/self/stat", O_RDONLY));
    char text[4096], wanted[64];
    child_ready();
    subject_await_check();
    snprintf(wanted, sizeof wanted, "%d (", getpid());
    CHECK(pread(own, text, sizeof text, 0) > 0 && strncmp(text, wanted, strlen(wanted)) == 0, "another stat: %s", text);
    CHECK(pread(parent, text, sizeof text, 0) > 0, "the parent's environment: %s", strerror(errno));
}

static void send_file(int to, int fd)
{
    char byte = 'x';
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof fd)]; } control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    MUST(sendmsg(to, &message, 0));
}

static int receive_file(int from)
{
    char byte;
    int fd = -1;
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof fd)]; } control;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    MUST(recvmsg(from, &message, 0));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header && header->cmsg_type == SCM_RIGHTS, "the message has no descriptor");
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

// `common` leaves out what stock criu cannot carry: files of threads, the flag O_DIRECTORY.
void processfiles(int argc, char **argv)
{
    bool common = argc == 2 && strcmp(argv[1], "common") == 0;
    pthread_t thread;
    pthread_create(&thread, NULL, stay, NULL);
    await_flag(&thread_is_there);
    pid_t child = child_start(hold_in_child, &common);

    char line[64], rest[256], path[64];
    int status = MUST(open("/proc/self/status", O_RDONLY)), maps = MUST(open("/proc/self/maps", O_RDONLY));
    int memory = MUST(open("/proc/self/mem", O_RDWR)), routes = MUST(open("/proc/self/net/protocols", O_RDONLY | O_NONBLOCK));
    int as_directory = common ? 0 : O_DIRECTORY;
    int home = MUST(open("/proc/self", O_RDONLY | as_directory)), name = MUST(open("/proc/self", O_PATH));
    int fds = MUST(open("/proc/self/fd", O_RDONLY | as_directory)), childs = open_of("status", O_RDONLY, "/proc/%d/", child);
    int comm = -1, twin = -1, pair[2];
    if (!common) {
        comm = open_of("comm", O_RDWR, "/proc/self/task/%d/", thread_id);
        twin = open_of("status", O_RDONLY, "/proc/%d/", thread_id);
        MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        int passed = MUST(open("/proc/self/cmdline", O_RDONLY));
        send_file(pair[0], passed);
        close(passed);
    }
    MUST(read(status, line, 6));
    MUST(read(maps, rest, 100));
    MUST(lseek(memory, (off_t)(uintptr_t)&secret, SEEK_SET));
    MUST(lseek(fds, 4, SEEK_SET));

    subject_ready();
    subject_await_check();

    CHECK(lseek(status, 0, SEEK_CUR) == 6, "the offset in status is %ld", (long)lseek(status, 0, SEEK_CUR));
    CHECK(lseek(maps, 0, SEEK_CUR) == 100, "the offset in maps is %ld", (long)lseek(maps, 0, SEEK_CUR));
    // What is read on now is of now.
    ssize_t length = MUST(read(status, rest, sizeof rest - 1));
    rest[length] = 0;
    CHECK(strstr(rest, "State:\tR") && strstr(rest, "TracerPid:\t0"), "status goes on with what was: %s", rest);
    snprintf(line, sizeof line, "Pid:\t%d", getpid());
    expect_line(status, line, "status");
    expect_mapping(maps, "maps");
    int value = 0;
    CHECK(read(memory, &value, sizeof value) == sizeof value && value == 4711, "mem shows %d, %s", value, strerror(errno));
    value = 1147;
    CHECK(pwrite(memory, &value, sizeof value, (off_t)(uintptr_t)&secret) == sizeof value, "mem: %s", strerror(errno));
    CHECK(secret == 1147, "mem is the memory of another process");
    CHECK(fcntl(routes, F_GETFL) & O_NONBLOCK && read(routes, rest, 20) == 20, "net/protocols: %s", strerror(errno));
    struct stat there, here;
    MUST(stat("/proc/self", &there));
    MUST(fstat(home, &here));
    CHECK(there.st_ino == here.st_ino, "the directory is of another process");
    // Of a name that was not followed, /proc/self itself would be a link.
    MUST(fstat(name, &here));
    CHECK(there.st_ino == here.st_ino && fcntl(name, F_GETFL) & O_PATH, "the name is of another process");
    CHECK(lseek(fds, 0, SEEK_CUR) == 4, "the offset in fd is %ld", (long)lseek(fds, 0, SEEK_CUR));
    snprintf(path, sizeof path, "%d", fds);
    CHECK(faccessat(fds, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0, "fd/%s: %s", path, strerror(errno));
    snprintf(line, sizeof line, "Pid:\t%d", child);
    expect_line(childs, line, "the child's status");
    if (!common) {
        expect_line(comm, "second", "comm of the thread");
        CHECK(write(comm, "third", 5) == 5, "comm: %s", strerror(errno));
        pthread_getname_np(thread, rest, sizeof rest);
        CHECK(strcmp(rest, "third") == 0, "the thread is called %s", rest);
        snprintf(line, sizeof line, "Pid:\t%d", thread_id);
        expect_line(twin, line, "status of the thread");
        int passed = receive_file(pair[1]);
        length = MUST(read(passed, rest, sizeof rest - 1));
        rest[length] = 0;
        CHECK(strcmp(rest, program_invocation_name) == 0, "the passed file shows %s", rest);
    }
    thread_stays = 0;
    pthread_join(thread, NULL);
    child_expect(child, 0);
}
