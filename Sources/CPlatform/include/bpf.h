#ifndef CP_BPF_H
#define CP_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// bpf(2), whose argument is a union of nameless structures, which Swift cannot import.

/// A map of one 8-byte value a CPU. Returns a descriptor, or -errno.
int cp_bpf_per_cpu_map(void);

/// A map of one value of `size` bytes for all CPUs. Returns a descriptor, or -errno.
int cp_bpf_cell(uint32_t size);

/// Sets the value of such a map. Returns 0 or -errno.
int cp_bpf_set(int map, const void *value);

/// Loads a program that is called for each area of an address space or for tasks (BPF_TRACE_ITER, `type` is the BTF number
/// of bpf_iter_task_vma or bpf_iter_task). `code` are struct bpf_insn. Returns a descriptor, or -errno.
int cp_bpf_load_iterator(const uint64_t *code, size_t count, uint32_t type);

/// What such a program writes for one process, or for its leading thread alone, is read from the descriptor that this
/// returns; or -errno.
int cp_bpf_iterate(int program, pid_t pid, bool leader_only);

/// An index of BTF (Documentation/bpf/btf.rst): where each type begins, by its number, and a table of the numbers of structures
/// and of the functions that iterators are attached to (bpf_iter_*), by their names.
struct cp_btf {
	const uint8_t *bytes;
	size_t size;
	uint32_t *places;
	/// Room, and after cp_btf_index() the number of types and one.
	size_t count;
	uint32_t *table;
	/// A power of two.
	size_t table_size;
};

/// Fills the places and the table, which must be zeros. Returns false where the bytes are not BTF of this host, or there is no
/// room.
bool cp_btf_index(struct cp_btf *btf);

/// The number of a structure or such a function by its name; 0 where there is none.
uint32_t cp_btf_structure(const struct cp_btf *btf, const char *name);
uint32_t cp_btf_iterator(const struct cp_btf *btf, const char *name);

/// Bytes of a structure; 0 where there is none.
uint32_t cp_btf_size(const struct cp_btf *btf, uint32_t structure);

/// Bits from the begin of a structure to a member, nameless structures inside looked through; -1 where there is none.
int cp_btf_member(const struct cp_btf *btf, uint32_t structure, const char *name);

#endif
