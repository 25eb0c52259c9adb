#ifndef CP_CPU_H
#define CP_CPU_H

#include <stdint.h>

struct cp_cpuid_registers {
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
};

/// The CPUID instruction; all zero for a leaf beyond the CPU's last one.
struct cp_cpuid_registers cp_cpuid(uint32_t leaf, uint32_t subleaf);

/// XCR0, the register state components that the kernel has enabled; 0 when the CPU or the kernel has no XSAVE.
uint64_t cp_enabled_xfeatures(void);

#endif
