#include "subject.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Head of the ring that io_setup(2) maps; see fs/aio.c.
struct ring {
    unsigned id, places, head, tail, magic, compatible, incompatible, head_size;
};

enum { most = 4096 };

static int file;
static char bytes[64];

static struct ring *make_ring(unsigned requests)
{
    aio_context_t context = 0;
    MUST(syscall(SYS_io_setup, requests, &context));
    return (struct ring *)context;
}

// A read of so many bytes, which ends before the call returns. False where the ring takes no more.
static bool submit(struct ring *ring, unsigned number)
{
    struct iocb request = {.aio_data = number + 1000, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (unsigned)file,
                           .aio_buf = (uintptr_t)bytes, .aio_nbytes = number % sizeof bytes};
    struct iocb *list = &request;
    long result = syscall(SYS_io_submit, ring, 1L, &list);
    if (result == 1) return true;
    CHECK(errno == EAGAIN, "io_submit: %s", strerror(errno));
    return false;
}

static void submit_all(struct ring *ring, unsigned first, unsigned end)
{
    for (unsigned number = first; number < end; number++)
        CHECK(submit(ring, number), "the ring of %u places takes no request %u", ring->places, number);
}

static void read_events(struct ring *ring, unsigned first, unsigned end)
{
    static struct io_event events[most];
    CHECK(end - first < most, "too many events");
    long count = MUST(syscall(SYS_io_getevents, ring, (long)(end - first), (long)(end - first), events, NULL));
    CHECK(count == (long)(end - first), "%ld events, not %u", count, end - first);
    for (unsigned number = first; number < end; number++) {
        struct io_event *event = &events[number - first];
        CHECK(event->data == number + 1000 && event->res == (int64_t)(number % sizeof bytes),
              "event %u has data %llu and result %lld", number, (unsigned long long)event->data, (long long)event->res);
    }
}

static void expect_empty(struct ring *ring)
{
    struct io_event event;
    struct timespec none = {0, 0};
    long count = MUST(syscall(SYS_io_getevents, ring, 0L, 1L, &event, &none));
    CHECK(count == 0 && ring->head == ring->tail, "the ring has an event that nobody asked for");
}

void aio(int argc, char **argv)
{
    (void)argc, (void)argv;
    file = MUST(open("bytes", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    CHECK(write(file, bytes, sizeof bytes) == sizeof bytes, "write: %s", strerror(errno));
    struct ring *fresh = make_ring(1);
    struct ring *waiting = make_ring(100);
    submit_all(waiting, 0, 50);
    read_events(waiting, 0, 20);
    // Events before and behind the end of the ring.
    struct ring *wrapped = make_ring(30);
    unsigned done = 0;
    while (done + 40 < wrapped->places) {
        submit_all(wrapped, done, done + 20);
        read_events(wrapped, done, done + 20);
        done += 20;
    }
    unsigned first = done + 25, last = first + 30;
    submit_all(wrapped, done, last);
    read_events(wrapped, done, first);
    CHECK(wrapped->tail < wrapped->head, "the ring is not wrapped: %u, %u", wrapped->head, wrapped->tail);
    // As full as the kernel lets it be, and larger than a batch of requests of the restore.
    struct ring *full = make_ring(2000);
    unsigned filled = 0;
    while (submit(full, filled)) filled++;
    MUST(madvise(waiting, 2 * 4096, MADV_DONTDUMP));

    subject_ready();
    subject_await_check();

    expect_empty(fresh);
    submit_all(fresh, 7, 9);
    read_events(fresh, 7, 9);
    read_events(waiting, 20, 50);
    expect_empty(waiting);
    read_events(wrapped, first, last);
    expect_empty(wrapped);
    CHECK(!submit(full, 0), "the full ring takes one more");
    read_events(full, 0, filled);
    expect_empty(full);
    // Slots that were lost would show after some rounds.
    for (int round = 0; round < 5; round++) {
        submit_all(waiting, 0, 100);
        read_events(waiting, 0, 100);
        submit_all(wrapped, 0, 30);
        read_events(wrapped, 0, 30);
        submit_all(full, 0, 2000);
        read_events(full, 0, 2000);
    }
    struct ring *more = make_ring(5);
    submit_all(more, 0, 5);
    read_events(more, 0, 5);
    MUST(syscall(SYS_io_destroy, waiting));
}
