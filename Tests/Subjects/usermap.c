// A tree in a user namespace of its own: who its tasks, files, sockets and objects belong to, seen from inside, where the runner
// looks at the tasks from outside. See user_namespaces(7).
#include "subject.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

// The last is of the second range of the map.
static const uid_t user = 1234, other_user = 4321, far_user = 70005;
static const gid_t group = 1235, other_group = 5321, far_group = 70006;

struct text {
    char bytes[2048];
};

static void read_text(const char *path, struct text *text)
{
    int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t length = MUST(read(fd, text->bytes, sizeof text->bytes - 1));
    text->bytes[length] = 0;
    close(fd);
}

static void expect_text(const char *path, const struct text *before)
{
    struct text now;
    read_text(path, &now);
    CHECK(strcmp(before->bytes, now.bytes) == 0, "%s is now %s", path, now.bytes);
}

static void make_file(const char *path, uid_t owner, gid_t owner_group)
{
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
    MUST(fchown(fd, owner, owner_group));
    close(fd);
}

static void expect_owner(const struct stat *status, uid_t owner, gid_t owner_group, const char *what)
{
    CHECK(status->st_uid == owner && status->st_gid == owner_group, "%s belongs to %u:%u", what, status->st_uid,
          status->st_gid);
}

static void expect_file(const char *path, uid_t owner, gid_t owner_group)
{
    struct stat status;
    MUST(stat(path, &status));
    expect_owner(&status, owner, owner_group, path);
}

static void expect_open(int fd, uid_t owner, gid_t owner_group, const char *what)
{
    struct stat status;
    MUST(fstat(fd, &status));
    expect_owner(&status, owner, owner_group, what);
}

static void expect_peer(int fd, uid_t owner, gid_t owner_group, const char *what)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length));
    CHECK(peer.uid == owner && peer.gid == owner_group, "%s is of %u:%u", what, peer.uid, peer.gid);
}

static void become_other(void)
{
    static const gid_t groups[] = {other_group, 6000, far_group};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    uint32_t kept = 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
    struct __user_cap_data_struct sets[2] = {{1u << CAP_KILL, kept, kept}, {0, 0, 0}};

    MUST(setgroups(3, groups));
    MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
    MUST(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP));
    MUST(setresgid(group, other_group, far_group));
    MUST(setresuid(user, other_user, far_user));
    MUST(syscall(SYS_capset, &header, sets));
    MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
}

static void expect_other(void)
{
    uid_t users[3];
    gid_t groups[3], more[8];
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];

    MUST(getresuid(&users[0], &users[1], &users[2]));
    MUST(getresgid(&groups[0], &groups[1], &groups[2]));
    CHECK(users[0] == user && users[1] == other_user && users[2] == far_user, "users are %u %u %u", users[0], users[1],
          users[2]);
    CHECK(groups[0] == group && groups[1] == other_group && groups[2] == far_group, "groups are %u %u %u", groups[0],
          groups[1], groups[2]);
    int count = MUST(getgroups(8, more));
    CHECK(count == 3 && more[0] == other_group && more[1] == 6000 && more[2] == far_group,
          "%d supplementary groups, %u %u %u", count, more[0], more[1], more[2]);
    MUST(syscall(SYS_capget, &header, sets));
    CHECK(sets[0].effective == 1u << CAP_KILL && sets[0].permitted == (1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE),
          "capabilities are %x of %x", sets[0].effective, sets[0].permitted);
    CHECK(prctl(PR_CAPBSET_READ, CAP_SYS_BOOT) == 0, "CAP_SYS_BOOT can be had again");
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0) == 1, "CAP_KILL is not ambient");
    CHECK(prctl(PR_GET_SECUREBITS) == (SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP), "securebits are %x",
          prctl(PR_GET_SECUREBITS));
    CHECK(setuid(0) == -1, "the child can become root");
}

// Queued messages with the ids of those whom their writer names, which its rights in the namespace allow.
static const struct ucred named[] = {{0, 1234, 70006}, {0, 70005, 1235}, {0, 0, 0}};
enum { named_count = sizeof named / sizeof named[0] };

static void send_named(int fd, int number)
{
    struct ucred who = named[number];
    char byte = (char)('a' + number), control[CMSG_SPACE(sizeof who)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){CMSG_LEN(sizeof who), SOL_SOCKET, SCM_CREDENTIALS};
    who.pid = getpid();
    memcpy(CMSG_DATA(head), &who, sizeof who);
    MUST(sendmsg(fd, &message, 0));
}

static void expect_named(int fd, const struct ucred *named_who, char wanted)
{
    struct ucred who = {0, 0, 0};
    char byte = 0, control[CMSG_SPACE(sizeof who)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(MUST(recvmsg(fd, &message, MSG_DONTWAIT)) == 1 && byte == wanted, "message %c is %c", wanted, byte);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    CHECK(head && head->cmsg_type == SCM_CREDENTIALS, "message %c has no credentials", wanted);
    memcpy(&who, CMSG_DATA(head), sizeof who);
    CHECK(who.uid == named_who->uid && who.gid == named_who->gid && (named_who->pid == 0 || who.pid == named_who->pid),
          "message %c is of %d, %u:%u", wanted, who.pid, who.uid, who.gid);
}

static int listener, letters[2];

// Somebody else, connected to the parent.
static void be_other(void *unused)
{
    struct sockaddr_un name = {AF_UNIX, "usermap.socket"};
    (void)unused;
    become_other();
    MUST(prctl(PR_SET_DUMPABLE, 1));
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    MUST(connect(fd, (void *)&name, sizeof name));
    if (letters[1]) MUST(send(letters[1], "o", 1, 0));
    child_ready();
    subject_await_check();
    expect_other();
    expect_peer(fd, 0, 0, "the server of the child");
    close(fd);
}

static int listen_there(void)
{
    struct sockaddr_un name = {AF_UNIX, "usermap.socket"};
    unlink(name.sun_path);
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    MUST(bind(fd, (void *)&name, sizeof name));
    MUST(chmod(name.sun_path, 0666));
    MUST(chown(name.sun_path, far_user, far_group));
    MUST(listen(fd, 4));
    return fd;
}

// The root of the namespace has every capability in it, and none outside.
static void expect_root(void)
{
    uid_t users[3];
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    MUST(getresuid(&users[0], &users[1], &users[2]));
    CHECK(users[0] == 0 && users[1] == 0 && users[2] == 0, "the root of the namespace is %u %u %u", users[0], users[1],
          users[2]);
    MUST(syscall(SYS_capget, &header, sets));
    CHECK(sets[0].effective == 0xffffffffu && sets[0].permitted == 0xffffffffu, "the root has only %x of %x",
          sets[0].effective, sets[0].permitted);
    CHECK(mknod("device", S_IFCHR | 0600, 0x103) == -1 && errno == EPERM, "the root has rights outside");
    MUST(seteuid(user));
    MUST(seteuid(0));
}

void usermap(int argc, char **argv)
{
    static const char *const files[] = {"/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"};
    struct text before[3];
    // What criu carries, too.
    bool is_common = argc > 1 && strcmp(argv[1], "common") == 0;
    if (is_common) argc--, argv++;
    const char *outside = argc > 1 ? argv[1] : ".";
    char beside[4096];
    bool has_mounts = argc > 1;

    for (int i = 0; i < 3; i++) read_text(files[i], &before[i]);
    MUST(chmod(".", 0755));
    snprintf(beside, sizeof beside, "%s/usermap.file", outside);
    make_file(beside, user, group);
    if (has_mounts) {
        MUST(mkdir("memory", 0755));
        MUST(mount("memory", "memory", "tmpfs", 0, "uid=1234,gid=70006,mode=755"));
        make_file("memory/file", far_user, group);
        make_file("memory/own", 0, 0);
    }
    int ghost = MUST(open(has_mounts ? "memory/ghost" : "ghost", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    MUST(fchown(ghost, other_user, far_group));
    MUST(unlink(has_mounts ? "memory/ghost" : "ghost"));
    int memory = MUST(memfd_create("usermap", MFD_CLOEXEC));
    MUST(fchown(memory, user, far_group));
    int segment = MUST(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
    struct shmid_ds facts;
    MUST(shmctl(segment, IPC_STAT, &facts));
    facts.shm_perm.uid = far_user;
    facts.shm_perm.gid = other_group;
    MUST(shmctl(segment, IPC_SET, &facts));
    void *attached = shmat(segment, 0, 0);
    CHECK(attached != (void *)-1, "shmat: %s", strerror(errno));

    int yes = 1;
    if (!is_common) {
        MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, letters));
        MUST(setsockopt(letters[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes));
    }
    for (int i = 0; i < named_count && !is_common; i++) send_named(letters[1], i);
    listener = listen_there();
    pid_t child = child_start(be_other, 0);
    int accepted = MUST(accept4(listener, 0, 0, SOCK_CLOEXEC));

    subject_ready();
    subject_await_check();

    for (int i = 0; i < 3; i++) expect_text(files[i], &before[i]);
    expect_root();
    expect_file(beside, user, group);
    expect_file("usermap.socket", far_user, far_group);
    if (has_mounts) {
        expect_file("memory", user, far_group);
        expect_file("memory/file", far_user, group);
        expect_file("memory/own", 0, 0);
        make_file("memory/new", far_user, far_group);
    }
    expect_open(ghost, other_user, far_group, "the deleted file");
    expect_open(memory, user, far_group, "the memory file");
    MUST(shmctl(segment, IPC_STAT, &facts));
    CHECK(facts.shm_perm.uid == far_user && facts.shm_perm.gid == other_group && facts.shm_perm.cuid == 0,
          "the segment is %u's, of %u, made by %u", facts.shm_perm.uid, facts.shm_perm.gid, facts.shm_perm.cuid);
    MUST(shmdt(attached));
    MUST(shmctl(segment, IPC_RMID, 0));
    expect_peer(accepted, other_user, other_group, "the client");
    for (int i = 0; i < named_count && !is_common; i++) {
        struct ucred who = named[i];
        who.pid = getpid();
        expect_named(letters[0], &who, (char)('a' + i));
    }
    // Of whoever names nobody the kernel tells the real ids.
    struct ucred other = {child, user, group};
    if (!is_common) expect_named(letters[0], &other, 'o');
    child_expect(child, 0);
}
