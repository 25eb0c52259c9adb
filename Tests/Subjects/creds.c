#include "subject.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uid_t real_user = 65534, effective_user = 65533, saved_user = 65532;
static const gid_t real_group = 65534, effective_group = 65531, saved_group = 65530;

struct credentials {
    uid_t user[3];
    gid_t group[3];
    gid_t groups[8];
    int group_count;
    struct __user_cap_data_struct capabilities[2];
    uint64_t bounding, ambient;
    int securebits, no_new_privs, keep;
};

static void read_credentials(struct credentials *now)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    memset(now, 0, sizeof *now);
    MUST(getresuid(&now->user[0], &now->user[1], &now->user[2]));
    MUST(getresgid(&now->group[0], &now->group[1], &now->group[2]));
    now->group_count = MUST(getgroups(8, now->groups));
    MUST(syscall(SYS_capget, &header, now->capabilities));
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
        if (prctl(PR_CAPBSET_READ, capability) == 1) now->bounding |= (uint64_t)1 << capability;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) == 1) now->ambient |= (uint64_t)1 << capability;
    }
    now->securebits = MUST(prctl(PR_GET_SECUREBITS));
    now->no_new_privs = MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    now->keep = MUST(prctl(PR_GET_KEEPCAPS));
}

static void set_capabilities(uint32_t permitted, uint32_t effective, uint32_t inheritable)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{effective, permitted, inheritable}, {0, 0, 0}};
    MUST(syscall(SYS_capset, &header, data));
}

static void drop_privilege(bool with_no_new_privs)
{
    static const gid_t groups[] = {65520, 65521, 65522};
    MUST(chmod(".", 0777));
    MUST(setgroups(3, groups));
    MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE));
    MUST(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
    MUST(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP));
    MUST(setresgid(real_group, effective_group, saved_group));
    MUST(setresuid(real_user, effective_user, saved_user));
    uint32_t bind = 1u << CAP_NET_BIND_SERVICE, kill = 1u << CAP_KILL, nice = 1u << CAP_SYS_NICE;
    set_capabilities(bind | kill | nice, kill, bind | nice);
    MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0));
    if (with_no_new_privs) MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void keep_and_compare(bool root)
{
    struct credentials before, now;
    read_credentials(&before);
    int dumpable = MUST(prctl(PR_GET_DUMPABLE));
    if (root) subject_ready();
    else child_ready();
    subject_await_check();
    read_credentials(&now);
    CHECK(memcmp(before.user, now.user, sizeof now.user) == 0, "user ids are now %u %u %u", now.user[0], now.user[1],
          now.user[2]);
    CHECK(memcmp(before.group, now.group, sizeof now.group) == 0, "group ids are now %u %u %u", now.group[0],
          now.group[1], now.group[2]);
    CHECK(before.group_count == now.group_count && memcmp(before.groups, now.groups, sizeof now.groups) == 0,
          "supplementary groups changed");
    CHECK(memcmp(before.capabilities, now.capabilities, sizeof now.capabilities) == 0,
          "capabilities are now effective %x permitted %x inheritable %x", now.capabilities[0].effective,
          now.capabilities[0].permitted, now.capabilities[0].inheritable);
    CHECK(before.bounding == now.bounding, "the bounding set was %lx, is %lx", before.bounding, now.bounding);
    CHECK(before.ambient == now.ambient, "the ambient set was %lx, is %lx", before.ambient, now.ambient);
    CHECK(before.securebits == now.securebits, "securebits were %x, are %x", before.securebits, now.securebits);
    CHECK(before.no_new_privs == now.no_new_privs, "no_new_privs was %d, is %d", before.no_new_privs, now.no_new_privs);
    CHECK(before.keep == now.keep, "keep-capabilities was %d, is %d", before.keep, now.keep);
    int dumpable_now = MUST(prctl(PR_GET_DUMPABLE));
    CHECK(dumpable == dumpable_now, "dumpable was %d, is %d", dumpable, dumpable_now);
}

static void without_privilege(void *argument)
{
    (void)argument;
    drop_privilege(true);
    keep_and_compare(false);
}

void creds(int argc, char **argv)
{
    (void)argc, (void)argv;
    CHECK(geteuid() == 0, "this subject starts as root");
    pid_t child = child_start(without_privilege, NULL);
    drop_privilege(false);
    // Changing ids left the process undumpable; a program may say otherwise.
    MUST(prctl(PR_SET_DUMPABLE, 1));
    keep_and_compare(true);
    child_expect(child, 0);
}
