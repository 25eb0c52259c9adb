#pragma once

// Kinds that only hold a descriptor answer with it; those that hold another thing answer with -2.
enum { no_descriptor = -2 };

// Those of the kernel's own.
int hold_userfaultfd(void);
int hold_perf(void);
int hold_landlock(void);
