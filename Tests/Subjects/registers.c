#include "subject.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { general_count = 14, busy_threads = 3, component_count = 10 };

// State components of XSAVE (Intel SDM volume 1, 13.1) that a program of ours may set freely.
static const uint64_t wanted_components = 0x1 | 0x2 | 0x4 | 0xe0 | 0x200;
static const size_t legacy_size = 512;

struct busy {
    pthread_t thread;
    uint64_t in[general_count], out[general_count];
    unsigned char *xsave_in, *xsave_out;
    uint64_t mask;
    uint64_t gs_base;
    int started;
};

extern void registers_loop(const uint64_t *in, uint64_t *out, const void *xsave_in, void *xsave_out, uint64_t mask);
__attribute__((visibility("hidden"))) volatile int registers_stop;

static uint64_t enabled_components(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (((uint64_t)high << 32) | low) & wanted_components;
}

// Offset and size of a component in the standard format; the two legacy ones lie in the first 512 bytes.
static void component_place(int component, size_t *offset, size_t *size)
{
    uint32_t a, b, c, d;
    __cpuid_count(0xd, component, a, b, c, d);
    *offset = b, *size = a;
}

static size_t area_size(void)
{
    uint32_t a, b, c, d;
    __cpuid_count(0xd, 0, a, b, c, d);
    return (b + 63) & ~63u;
}

static void set_legacy(unsigned char *area, uint64_t seed)
{
    static const uint16_t control = 0x0b7f;
    static const uint32_t mxcsr = 0x5f80;
    memcpy(area, &control, 2);
    area[4] = 0xff;
    memcpy(area + 24, &mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        uint64_t significand = 0x8000000000000000u | (seed * 77 + i);
        uint16_t exponent = 0x3fff + i;
        memcpy(area + 32 + 16 * i, &significand, 8);
        memcpy(area + 40 + 16 * i, &exponent, 2);
    }
    pattern_fill(area + 160, 256, seed);
}

static void prepare(struct busy *busy, uint64_t seed)
{
    busy->mask = enabled_components();
    size_t size = area_size();
    busy->xsave_in = aligned_alloc(64, size);
    busy->xsave_out = aligned_alloc(64, size);
    CHECK(busy->xsave_in && busy->xsave_out, "no memory");
    memset(busy->xsave_in, 0, size);
    memset(busy->xsave_out, 0, size);
    set_legacy(busy->xsave_in, seed);
    memcpy(busy->xsave_in + legacy_size, &busy->mask, 8);
    for (int component = 2; component < component_count; component++) {
        size_t offset, length;
        if (!(busy->mask >> component & 1)) continue;
        component_place(component, &offset, &length);
        pattern_fill(busy->xsave_in + offset, length, seed + component);
        // Protection key 0 covers all our memory: it stays allowed, key 5 is denied.
        uint64_t pkru = 0xc00;
        if (component == 9) memcpy(busy->xsave_in + offset, &pkru, sizeof pkru);
    }
    pattern_fill(busy->in, sizeof busy->in, seed + 100);
}

static void compare(const struct busy *busy, int index)
{
    for (int i = 0; i < general_count; i++)
        CHECK(busy->in[i] == busy->out[i], "thread %d: general register %d was %lx, is %lx", index, i, busy->in[i],
              busy->out[i]);
    CHECK(memcmp(busy->xsave_in, busy->xsave_out, 6) == 0, "thread %d: x87 control, status or tag words changed", index);
    CHECK(memcmp(busy->xsave_in + 24, busy->xsave_out + 24, 4) == 0, "thread %d: mxcsr changed", index);
    for (int i = 0; i < 8; i++)
        CHECK(memcmp(busy->xsave_in + 32 + 16 * i, busy->xsave_out + 32 + 16 * i, 10) == 0, "thread %d: st%d changed",
              index, i);
    CHECK(memcmp(busy->xsave_in + 160, busy->xsave_out + 160, 256) == 0, "thread %d: an xmm register changed", index);
    for (int component = 2; component < component_count; component++) {
        size_t offset, length;
        if (!(busy->mask >> component & 1)) continue;
        component_place(component, &offset, &length);
        if (component == 9) length = 4;
        CHECK(memcmp(busy->xsave_in + offset, busy->xsave_out + offset, length) == 0,
              "thread %d: XSAVE component %d changed", index, component);
    }
}

static void *run_busy(void *argument)
{
    struct busy *busy = argument;
    MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, busy->gs_base));
    __atomic_store_n(&busy->started, 1, __ATOMIC_RELEASE);
    registers_loop(busy->in, busy->out, busy->xsave_in, busy->xsave_out, busy->mask);
    uint64_t gs_base = 0;
    MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs_base));
    CHECK(gs_base == busy->gs_base, "gs base was %lx, is %lx", busy->gs_base, gs_base);
    return NULL;
}

void registers(int argc, char **argv)
{
    (void)argc, (void)argv;
    static struct busy all[busy_threads];
    for (int i = 0; i < busy_threads; i++) {
        prepare(&all[i], 1000 * (i + 1));
        all[i].gs_base = (uint64_t)(uintptr_t)&all[i];
        CHECK(pthread_create(&all[i].thread, NULL, run_busy, &all[i]) == 0, "pthread_create");
        await_flag(&all[i].started);
    }
    subject_ready();
    subject_await_check();
    registers_stop = 1;
    for (int i = 0; i < busy_threads; i++) {
        pthread_join(all[i].thread, NULL);
        compare(&all[i], i);
    }
}
