#ifndef CP_BPF_H
#define CP_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// bpf(2), whose argument is a union of nameless structures, which Swift cannot import.

/// A map of one 8-byte value a CPU. Returns a descriptor, or -errno.
int cp_bpf_per_cpu_map(void);

/// Loads a program that is called for each area of an address space or for tasks (BPF_TRACE_ITER, `type` is the BTF number
/// of bpf_iter_task_vma or bpf_iter_task). `code` are struct bpf_insn. Returns a descriptor, or -errno.
int cp_bpf_load_iterator(const uint64_t *code, size_t count, uint32_t type);

/// What such a program writes for one process, or for its leading thread alone, is read from the descriptor that this
/// returns; or -errno.
int cp_bpf_iterate(int program, pid_t pid, bool leader_only);

/// Notes where each type of BTF (Documentation/bpf/btf.rst) begins, numbers from 1 on. Returns how many places were
/// filled, or 0 where the bytes are not BTF of this host.
size_t cp_btf_index(const uint8_t *btf, size_t size, uint32_t *places, size_t count);

/// The number of a structure or function by its name; 0 where there is none.
uint32_t cp_btf_structure(const uint8_t *btf, const uint32_t *places, size_t count, const char *name);
uint32_t cp_btf_function(const uint8_t *btf, const uint32_t *places, size_t count, const char *name);

/// Bits from the begin of a structure to a member, nameless structures inside looked through; -1 where there is none.
int cp_btf_member(const uint8_t *btf, const uint32_t *places, size_t count, uint32_t structure, const char *name);

#endif
