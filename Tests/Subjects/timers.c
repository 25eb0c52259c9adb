#include "subject.h"

#include <signal.h>
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

void timers(int argc, char **argv)
{
    (void)argc, (void)argv;
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
