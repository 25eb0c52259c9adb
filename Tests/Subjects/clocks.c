#include "subject.h"

#include <pthread.h>
#include <time.h>

static const int64_t second = 1000000000;
static const int64_t longest_wait = 3 * second;

static volatile int ended;
static int64_t waited_until;

// Waits for an absolute time of the monotonic clock, across the dump.
static void *wait_absolute(void *argument)
{
    (void)argument;
    struct timespec until = {waited_until / second, waited_until % second};
    int result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    CHECK(result == 0, "an absolute wait ended with %s", strerror(result));
    int64_t late = monotonic_ns() - waited_until;
    CHECK(late >= 0 && late < 2 * second, "an absolute wait ended %ld ms late", (long)(late / 1000000));
    ended = 1;
    return NULL;
}

static int64_t boot_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * second + now.tv_nsec;
}

// A time namespace of the caller's making has both clocks far ahead of the host's, and of each other.
static void look_ahead(void)
{
    const int64_t day = 86400 * second;
    CHECK(monotonic_ns() > 100 * day && monotonic_ns() < 190 * day, "CLOCK_MONOTONIC is at %ld s", (long)(monotonic_ns() / second));
    CHECK(boot_ns() > 200 * day, "CLOCK_BOOTTIME is at %ld s", (long)(boot_ns() / second));
}

// The clocks go on where the dump left them: however long the tree was away, no two looks at them are far apart.
void clocks(int argc, char **argv)
{
    bool is_ahead = argc == 2 && strcmp(argv[1], "ahead") == 0;
    pthread_t thread;
    if (is_ahead) look_ahead();
    waited_until = monotonic_ns() + longest_wait;
    CHECK(pthread_create(&thread, NULL, wait_absolute, NULL) == 0, "pthread_create");
    int64_t last = monotonic_ns(), last_boot = boot_ns(), gap = 0, boot_gap = 0;
    subject_ready();
    while (!subject_check_requested()) {
        pause_ns(5000000);
        int64_t now = monotonic_ns(), boot = boot_ns();
        CHECK(now >= last, "CLOCK_MONOTONIC went back by %ld ns", (long)(last - now));
        CHECK(boot >= last_boot, "CLOCK_BOOTTIME went back by %ld ns", (long)(last_boot - boot));
        if (now - last > gap) gap = now - last;
        if (boot - last_boot > boot_gap) boot_gap = boot - last_boot;
        last = now, last_boot = boot;
    }
    CHECK(gap < 2 * second, "CLOCK_MONOTONIC jumped by %ld ms", (long)(gap / 1000000));
    CHECK(boot_gap < 2 * second, "CLOCK_BOOTTIME jumped by %ld ms", (long)(boot_gap / 1000000));
    pthread_join(thread, NULL);
    CHECK(ended, "the absolute wait did not end");
    if (is_ahead) look_ahead();
}
