#include "subject.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t second = 1000000000;
static volatile sig_atomic_t alarms, ticks, cpu_ticks, tick_value;
// Expirations of the ticking timer, those that the kernel counted instead of queueing a signal too.
static volatile int64_t expirations;

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void on_tick(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    tick_value = info->si_value.sival_int;
    expirations += 1 + info->si_overrun;
    ticks++;
}

static void on_cpu_tick(int signal)
{
    (void)signal;
    cpu_ticks++;
}

static struct itimerspec times(int64_t interval, int64_t first)
{
    return (struct itimerspec){{interval / second, interval % second}, {first / second, first % second}};
}

static timer_t make_timer(clockid_t clock, int notify, int signal, int value)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = notify, .sigev_signo = signal, .sigev_value.sival_int = value};
    MUST(timer_create(clock, &event, &timer));
    return timer;
}

static int64_t left(timer_t timer)
{
    struct itimerspec now;
    MUST(timer_gettime(timer, &now));
    return now.it_value.tv_sec * second + now.it_value.tv_nsec;
}

static void await_more(volatile sig_atomic_t *count, const char *what)
{
    int before = *count;
    int64_t deadline = monotonic_ns() + 5 * second;
    while (*count < before + 3 && monotonic_ns() < deadline) pause_ns(10000000);
    CHECK(*count >= before + 3, "%s no longer ticks", what);
}

// Timers whose signals wait, and what was counted of them before.
static timer_t waiting, late;
static int64_t waiting_since;
static int late_overruns;
static int64_t late_interval;
static const int64_t often = 2000000000;

static bool take(int signal, int64_t patience, siginfo_t *info)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    struct timespec limit = {patience / second, patience % second};
    return sigtimedwait(&set, info, &limit) == signal;
}

static void set_overruns_up(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    sigaddset(&set, SIGRTMIN + 3);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    waiting = make_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 2, 5);
    late = make_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 6);
    // It has gone off 8 times since it was to begin.
    waiting_since = monotonic_ns() - 7 * often - often / 2;
    struct itimerspec begin = times(often, waiting_since);
    MUST(timer_settime(waiting, TIMER_ABSTIME, &begin, NULL));
    // Taken late, when it has gone off once more; for long it will not again, as a signal that waits would be seen from outside.
    int64_t now = monotonic_ns();
    late_interval = now / 10 * 9;
    struct itimerspec taken = times(late_interval, now / 20);
    MUST(timer_settime(late, TIMER_ABSTIME, &taken, NULL));
    siginfo_t info;
    CHECK(take(SIGRTMIN + 3, 20 * second, &info), "the late timer does not go off");
    late_overruns = timer_getoverrun(late);
    CHECK(late_overruns == 1, "the late timer overran %d times", late_overruns);
}

static void check_overruns(void)
{
    int overruns = timer_getoverrun(late);
    CHECK(overruns == late_overruns, "the late timer overran %d times, not %d", overruns, late_overruns);
    struct itimerspec now;
    MUST(timer_gettime(late, &now));
    int64_t interval = now.it_interval.tv_sec * second + now.it_interval.tv_nsec;
    CHECK(interval == late_interval, "the late timer goes off each %ld s", (long)(interval / second));
    // What was counted before a restore waits as a signal of its own.
    int64_t count = 0, due = (monotonic_ns() - waiting_since) / often + 1;
    siginfo_t info;
    while (take(SIGRTMIN + 2, 0, &info)) {
        CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 5, "the waiting signal is another");
        count += 1 + info.si_overrun;
    }
    CHECK(count >= due - 1 && count <= due + 1, "the waiting timer went off %ld times, not %ld", (long)count, (long)due);
}

static void overruns(void)
{
    set_overruns_up();
    subject_ready();
    subject_await_check();
    check_overruns();
}

static timer_t of_thread;
static volatile int thread_state;

static void *have_timer(void *nothing)
{
    of_thread = make_timer(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 1, 7);
    struct itimerspec allowance = times(0, 100 * second);
    MUST(timer_settime(of_thread, 0, &allowance, NULL));
    thread_state = 1;
    while (thread_state != 2) pause_ns(10000000);
    return nothing;
}

static void burn(int64_t nanoseconds)
{
    struct timespec now;
    MUST(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
    int64_t end = now.tv_sec * second + now.tv_nsec + nanoseconds;
    do
        MUST(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
    while (now.tv_sec * second + now.tv_nsec < end);
}

// The timer counts the time of a thread that is not the first, and hardly runs.
static void timer_of_thread(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, have_timer, NULL) == 0, "no thread");
    while (thread_state != 1) pause_ns(1000000);
    subject_ready();
    subject_await_check();
    int64_t before = left(of_thread);
    burn(second);
    int64_t used = before - left(of_thread);
    CHECK(before > 90 * second && used < second / 2, "the thread's timer ran for %ld ms of another thread",
          (long)(used / 1000000));
    thread_state = 2;
    CHECK(pthread_join(thread, NULL) == 0, "the thread does not end");
}

void timers(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "overruns") == 0) return overruns();
    if (argc > 1 && strcmp(argv[1], "thread") == 0) return timer_of_thread();
    struct sigaction tick = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction alarm_action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGALRM, &alarm_action, NULL));
    struct sigaction cpu_tick = {.sa_handler = on_cpu_tick, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGRTMIN, &tick, NULL));
    MUST(sigaction(SIGRTMIN + 1, &cpu_tick, NULL));

    // A deleted timer leaves a gap in the numbers.
    timer_t gap = make_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    timer_t ticking = make_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 77);
    MUST(timer_delete(gap));
    timer_t once = make_timer(CLOCK_REALTIME, SIGEV_NONE, 0, 1);
    timer_t idle = make_timer(CLOCK_BOOTTIME, SIGEV_NONE, 0, 2);
    struct itimerspec fast = times(second / 20, second / 20), far = times(0, 1000 * second);
    int64_t started = monotonic_ns();
    MUST(timer_settime(ticking, 0, &fast, NULL));
    MUST(timer_settime(once, 0, &far, NULL));
    timer_t absolute = make_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, 3);
    struct itimerspec appointed = times(0, started + 1000 * second);
    MUST(timer_settime(absolute, TIMER_ABSTIME, &appointed, NULL));
    timer_t used_up = make_timer(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 1, 4);
    struct itimerspec allowance = times(0, 100 * second);
    MUST(timer_settime(used_up, 0, &allowance, NULL));

    struct itimerval interval = {{0, 60000}, {0, 60000}}, used = {{50, 0}, {3000, 0}}, now;
    MUST(setitimer(ITIMER_REAL, &interval, NULL));
    MUST(setitimer(ITIMER_VIRTUAL, &used, NULL));
    MUST(setitimer(ITIMER_PROF, &used, NULL));

    // The first signals touch pages that one dump would have and the next, a moment later, would not.
    await_more(&alarms, "the interval timer");
    await_more(&ticks, "the POSIX timer");
    subject_ready();
    subject_await_check();

    await_more(&alarms, "the interval timer");
    await_more(&ticks, "the POSIX timer");
    CHECK(tick_value == 77, "the POSIX timer's value is %d", (int)tick_value);
    int64_t due = (monotonic_ns() - started) / (second / 20), seen = expirations;
    CHECK(seen >= due - 4 && seen <= due + 4, "the POSIX timer went off %ld times, not %ld", (long)seen, (long)due);
    int64_t appointment = left(absolute) + monotonic_ns() - started;
    CHECK(appointment > 999 * second && appointment < 1001 * second, "the absolute timer is due after %ld s",
          (long)(appointment / second));
    CHECK(cpu_ticks == 0 && left(used_up) > 90 * second, "the timer on the CPU clock has %ld s left",
          (long)(left(used_up) / second));
    int64_t whole = left(once) + monotonic_ns() - started;
    CHECK(whole > 998 * second && whole < 1001 * second, "the one-shot timer runs for %ld s in all", (long)(whole / second));
    CHECK(left(idle) == 0, "an idle timer was armed");
    MUST(getitimer(ITIMER_REAL, &now));
    CHECK(now.it_interval.tv_usec == 60000, "the interval is %ld us", (long)now.it_interval.tv_usec);
    MUST(getitimer(ITIMER_VIRTUAL, &now));
    CHECK(now.it_interval.tv_sec == 50 && now.it_value.tv_sec > 2900, "the virtual timer changed");
    MUST(getitimer(ITIMER_PROF, &now));
    CHECK(now.it_interval.tv_sec == 50 && now.it_value.tv_sec > 2900, "the profiling timer changed");
}
