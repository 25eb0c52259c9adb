#include "syscalls.h"

#ifdef FAULT_POINTS
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "kernel_abi.h"
#endif

static long make_call(long nr, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#ifdef FAULT_POINTS
// A debug build can be told to fail at one call: CRPLAN_FAIL_CALL=NUMBER@COUNT@ERRNO fails the call of this number that is
// made as the COUNTth, says so on standard error, and lets all others pass. A release build has no such code.
static bool is_to_fail(long nr, long *error)
{
    static atomic_int state;
    static long number, place, answer;
    static atomic_long count;

    if (atomic_load(&state) == 0) {
        const char *text = getenv("CRPLAN_FAIL_CALL");
        char *end = NULL;

        if (text) {
            number = strtol(text, &end, 10);
            place = *end == '@' ? strtol(end + 1, &end, 10) : 0;
            answer = *end == '@' ? strtol(end + 1, &end, 10) : 0;
        }
        atomic_store(&state, text && answer > 0 ? 2 : 1);
    }
    if (atomic_load(&state) != 2 || nr != number || atomic_fetch_add(&count, 1) + 1 != place) {
        return false;
    }
    static const char message[] = "crplan: a system call was told to fail\n";

    make_call(SYS_write, 2, (long)message, sizeof message - 1, 0, 0, 0);
    *error = answer;
    return true;
}
#endif

#ifdef FAULT_POINTS
// Whether CRPLAN_WITHOUT has this word; words are separated by commas, and "linux-6.1" is all of them.
static bool is_without(const char *list, const char *word)
{
    size_t length = strlen(word);

    if (strcmp(list, "linux-6.1") == 0) {
        return true;
    }
    for (const char *place = list; (place = strstr(place, word)); place += length) {
        if ((place == list || place[-1] == ',') && (place[length] == 0 || place[length] == ',')) {
            return true;
        }
    }
    return false;
}

long cp_masked_call(long nr, long a, long b, long c)
{
    enum { PAGE_IS_GUARD = 1 << 8, CATEGORY_MASK = 9 };
    static const struct {
        const char *word;
        long nr, argument;
        long error;
    } prctls[] = {
        {"mdwe", SYS_prctl, 66, EINVAL},
        {"memory-merge", SYS_prctl, 68, EINVAL},
        {"timer-ids", SYS_prctl, 77, EINVAL},
        {"membarrier-query", SYS_membarrier, 1 << 9, EINVAL},
    };
    const char *list = getenv("CRPLAN_WITHOUT");

    if (!list) {
        return 0;
    }
    if (nr == SYS_ioctl && b == CP_PAGEMAP_SCAN) {
        if (is_without(list, "pagemap-scan")) {
            return -ENOTTY;
        }
        // A probe without an argument is answered by the kernel.
        if (c && is_without(list, "guard-regions")) {
            // category_mask, category_anyof_mask, return_mask
            const uint64_t *masks = (const uint64_t *)c + CATEGORY_MASK;

            if ((masks[0] | masks[1] | masks[2]) & PAGE_IS_GUARD) {
                return -EINVAL;
            }
        }
    }
    if (nr == SYS_ptrace && a == CP_PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG && is_without(list, "dispatch-query")) {
        return -EIO;
    }
    if (nr == SYS_landlock_create_ruleset && is_without(list, "landlock")) {
        return -ENOSYS;
    }
    for (size_t i = 0; i < sizeof prctls / sizeof prctls[0]; i++) {
        if (nr == prctls[i].nr && a == prctls[i].argument && is_without(list, prctls[i].word)) {
            return -prctls[i].error;
        }
    }
    return 0;
}
#else
long cp_masked_call(long nr, long a, long b, long c)
{
    (void)nr, (void)a, (void)b, (void)c;
    return 0;
}
#endif

long cp_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
#ifdef FAULT_POINTS
    long error = -cp_masked_call(nr, a, b, c);

    if (error) {
        return -error;
    }
    if (is_to_fail(nr, &error)) {
        return -error;
    }
#endif
    return make_call(nr, a, b, c, d, e, f);
}
