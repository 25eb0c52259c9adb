#include "cpu.h"

#include <cpuid.h>

struct cp_cpuid_registers cp_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cp_cpuid_registers r = {0};
    if (leaf <= __get_cpuid_max(leaf & 0x80000000u, 0))
        __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

uint64_t cp_enabled_xfeatures(void)
{
    const uint32_t osxsave = 1u << 27;
    uint32_t low, high;
    if (!(cp_cpuid(1, 0).ecx & osxsave))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
