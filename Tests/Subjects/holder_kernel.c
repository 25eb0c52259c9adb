#include "holder.h"
#include "subject.h"

#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int hold_userfaultfd(void) { return MUST((int)syscall(SYS_userfaultfd, 1)); }
int hold_perf(void)
{
    // 120 bytes of perf_event_attr: a software clock.
    uint32_t attributes[30] = {1, 120};
    return MUST((int)syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
}
// A sandbox that leaves all but one right to files; nothing shows it.
int hold_landlock(void)
{
    uint64_t handled[3] = {1 << 12};
    int rules = MUST((int)syscall(SYS_landlock_create_ruleset, handled, 8, 0));
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST((int)syscall(SYS_landlock_restrict_self, rules, 0));
    close(rules);
    return no_descriptor;
}
