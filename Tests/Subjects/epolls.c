#include "subject.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void watch(int set, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event));
}

// The data of all that is ready, or 0; ends the subject if more than one is.
static uint64_t one_ready(int set, const char *what)
{
    struct epoll_event events[4];
    int count = MUST(epoll_wait(set, events, 4, 0));
    CHECK(count <= 1, "%s: %d members are ready", what, count);
    return count ? events[0].data.u64 : 0;
}

static void add_to(int counter)
{
    uint64_t one = 1;
    CHECK(write(counter, &one, sizeof one) == sizeof one, "write: %s", strerror(errno));
}

static void take_from(int counter)
{
    uint64_t value;
    CHECK(read(counter, &value, sizeof value) == sizeof value, "read: %s", strerror(errno));
}

// Linux 6.9; the values are those of struct epoll_params.
struct busy_polling {
    uint32_t microseconds;
    uint16_t budget;
    uint8_t prefers, zero;
};
#define SET_BUSY_POLLING _IOW(0x8a, 1, struct busy_polling)
#define GET_BUSY_POLLING _IOR(0x8a, 2, struct busy_polling)

enum { plain_set, inner, outer, signal_set, exclusive, shot, shot_pipe, renumbered, set_count };
static int sets[set_count];

static void with_child(void *argument)
{
    (void)argument;
    child_ready();
    subject_await_check();
}

// `epolls exact` adds what stock criu does not bring back: members whose numbers mean something else by now, busy
// polling, and that a member that has fired does not tell of errors either.
void epolls(int argc, char **argv)
{
    bool has_renumbered = argc > 1 && strcmp(argv[1], "exact") == 0;
    int ends[2], counter = MUST(eventfd(0, EFD_NONBLOCK)), other = MUST(eventfd(0, EFD_NONBLOCK));
    int one_shot = MUST(eventfd(0, EFD_NONBLOCK)), twice = MUST(eventfd(0, EFD_NONBLOCK));
    for (int i = 0; i < set_count; i++) sets[i] = MUST(epoll_create1(i == inner ? EPOLL_CLOEXEC : 0));
    MUST(pipe(ends));

    watch(sets[plain_set], ends[0], EPOLLIN | EPOLLRDHUP, UINT64_C(0x1122334455667788));
    watch(sets[plain_set], counter, EPOLLIN | EPOLLET, 2);
    watch(sets[inner], other, EPOLLIN, 3);
    watch(sets[outer], sets[inner], EPOLLIN, 4);
    watch(sets[outer], ends[0], EPOLLIN, 5);

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    watch(sets[signal_set], MUST(signalfd(-1, &set, SFD_NONBLOCK)), EPOLLIN, 6);
    watch(sets[exclusive], counter, EPOLLIN | EPOLLEXCLUSIVE, 7);

    // Fired and at rest: only EPOLL_CTL_MOD wakes it.
    watch(sets[shot], one_shot, EPOLLIN | EPOLLONESHOT, 8);
    add_to(one_shot);
    CHECK(one_ready(sets[shot], "one shot") == 8, "a counter is not ready");

    // Added by numbers that are closed and reused since, while a duplicate keeps the file.
    int gone = MUST(dup(twice)), reused = MUST(dup(twice));
    int fired[2];
    MUST(pipe2(fired, O_CLOEXEC));
    CHECK(write(fired[1], "x", 1) == 1, "write: %s", strerror(errno));
    watch(sets[shot_pipe], fired[0], EPOLLIN | EPOLLONESHOT, 13);
    CHECK(one_ready(sets[shot_pipe], "one shot on a pipe") == 13, "a readable pipe is not ready");
    const struct busy_polling parameters = {100, 8, 1, 0};
    struct busy_polling now = {0};
    bool polls = ioctl(sets[exclusive], SET_BUSY_POLLING, &parameters) == 0;
    if (has_renumbered) {
        watch(sets[renumbered], gone, EPOLLIN, 9);
        watch(sets[renumbered], reused, EPOLLIN | EPOLLET, 10);
        watch(sets[renumbered], twice, EPOLLIN | EPOLLONESHOT, 11);
    }
    close(gone);
    MUST(dup2(counter, reused));
    pid_t child = child_start(with_child, NULL);

    subject_ready();
    subject_await_check();

    for (int i = 0; i < set_count; i++)
        if (i != renumbered) CHECK(one_ready(sets[i], "at first") == 0, "set %d: something is ready", i);
    CHECK(fcntl(sets[inner], F_GETFD) == FD_CLOEXEC, "close-on-exec of a set is gone");
    CHECK(write(ends[1], "x", 1) == 1, "write: %s", strerror(errno));
    CHECK(one_ready(sets[plain_set], "pipe") == UINT64_C(0x1122334455667788), "a readable pipe is not ready");
    CHECK(one_ready(sets[outer], "pipe in the outer set") == 5, "a pipe in the outer set is not ready");
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1, "read: %s", strerror(errno));
    add_to(other);
    CHECK(one_ready(sets[outer], "nested set") == 4, "a nested set is not ready");
    CHECK(one_ready(sets[inner], "inner set") == 3, "the inner set is not ready");
    take_from(other);
    add_to(counter);
    CHECK(one_ready(sets[plain_set], "edge") == 2, "an edge is not reported");
    CHECK(one_ready(sets[plain_set], "same edge") == 0, "an edge is reported twice");
    CHECK(one_ready(sets[exclusive], "exclusive") == 7, "an exclusive member is not ready");
    take_from(counter);
    MUST(raise(SIGUSR1));
    CHECK(one_ready(sets[signal_set], "signalfd") == 6, "a signalfd is not ready");
    add_to(one_shot);
    CHECK(one_ready(sets[shot], "one shot at rest") == 0, "a member at rest has fired");
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 12};
    MUST(epoll_ctl(sets[shot], EPOLL_CTL_MOD, one_shot, &event));
    CHECK(one_ready(sets[shot], "one shot again") == 12, "a member does not fire again");
    if (has_renumbered && polls) {
        MUST(ioctl(sets[exclusive], GET_BUSY_POLLING, &now));
        CHECK(memcmp(&now, &parameters, sizeof now) == 0, "busy polling for %u us, not 100", now.microseconds);
    }
    if (has_renumbered) {
        close(fired[1]);
        CHECK(one_ready(sets[shot_pipe], "hang-up") == 0, "a member that has fired tells of a hang-up");
        struct epoll_event events[4];
        add_to(twice);
        int count = MUST(epoll_wait(sets[renumbered], events, 4, 0));
        CHECK(count == 3, "%d of 3 members with one file are ready", count);
        uint64_t sum = events[0].data.u64 + events[1].data.u64 + events[2].data.u64;
        CHECK(sum == 9 + 10 + 11, "members have other data");
        // They can be taken out by the numbers that they were added by, and by no others.
        CHECK(epoll_ctl(sets[renumbered], EPOLL_CTL_DEL, reused, NULL) == -1, "a reused number is a member");
        MUST(dup2(twice, gone));
        MUST(epoll_ctl(sets[renumbered], EPOLL_CTL_DEL, gone, NULL));
        MUST(dup2(twice, reused));
        MUST(epoll_ctl(sets[renumbered], EPOLL_CTL_DEL, reused, NULL));
        MUST(epoll_ctl(sets[renumbered], EPOLL_CTL_DEL, twice, NULL));
    }
    child_expect(child, 0);
}
