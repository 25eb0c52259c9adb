// The page that killtarget shares with whoever watches it: a file of this layout, mapped MAP_SHARED by both.
#pragma once

#include <stdint.h>

enum { killtarget_processes = 3, killtarget_threads = 3, killtarget_magic = 0x6b74 };

struct killtarget_slot {
    uint32_t pid, tid;
    uint64_t turns;       // grows as long as the thread is well
    uint32_t damage;      // not zero: the thread found something wrong and says what
    char reason[108];
};

struct killtarget_page {
    uint32_t magic, slots;
    struct killtarget_slot slot[killtarget_processes * killtarget_threads];
};

_Static_assert(sizeof(struct killtarget_slot) == 128, "readers in other languages count on 128 bytes");
