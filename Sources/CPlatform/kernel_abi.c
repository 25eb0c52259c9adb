#include "kernel_abi.h"

_Static_assert(sizeof(struct cp_rseq_configuration) == 24, "struct ptrace_rseq_configuration");
_Static_assert(sizeof(struct cp_sud_config) == 32, "struct ptrace_sud_config");
_Static_assert(sizeof(struct cp_peeksiginfo_args) == 16, "struct __ptrace_peeksiginfo_args");
_Static_assert(sizeof(struct cp_kernel_sigaction) == 32, "struct sigaction of x86-64");
_Static_assert(sizeof(struct cp_clone_args) == 88, "CLONE_ARGS_SIZE_VER2");
_Static_assert(sizeof(struct cp_prctl_mm_map) == 104, "struct prctl_mm_map");
_Static_assert(sizeof(struct cp_page_region) == 24, "struct page_region");
_Static_assert(sizeof(struct cp_pm_scan_arg) == 96, "struct pm_scan_arg");
_Static_assert(sizeof(struct user_regs_struct) == 216, "struct user_regs_struct of x86-64");
